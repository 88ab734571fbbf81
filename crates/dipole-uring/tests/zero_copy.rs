//! Sends that ask the kernel not to copy.

#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_io::DrivenRuntime;
use dipole_net::{ConnExt, DialerExt, ListenOptions, Transport};
use dipole_uring::{Uring, UringOptions};

const SIZE: usize = 1 << 20;

#[test]
fn what_is_sent_without_a_copy_arrives_whole_and_loopback_is_asked_once_a_connection() {
    let mut options = UringOptions::default();
    options.zero_copy_from = Some(SIZE);
    let uring = match Uring::with_options(options) {
        Ok(uring) => uring,
        Err(error) => return println!("NOT TRIED: {error}"),
    };
    let transport: Arc<dyn Transport> = Arc::new(uring.clone());
    let runtime = DrivenRuntime::new([&transport]).expect("a ring of this thread");
    let run = async {
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut listener = uring.listen(&addr, &ListenOptions::default()).unwrap().remove(0);
        let addr = listener.local_addr();
        let dial = uring.dial_timeout(&addr, None);
        let accept = async {
            let incoming = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
            Ok::<_, dipole_net::Error>(
                incoming.accept().await?.into_bytes().expect("a byte stream"),
            )
        };
        let (near, far) = tokio::join!(dial, accept);
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        for round in 0..20 {
            let message: Vec<u8> = (0..SIZE).map(|at| (at % 251 + round) as u8).collect();
            let message = Bytes::from(message);
            near.write_binary(message.clone());
            let (sent, read) = tokio::join!(near.flush(), far.read_binary(SIZE));
            sent.unwrap();
            assert!(read.unwrap() == message, "round {round}");
        }
    };
    runtime.block_on(async {
        let ended = tokio::time::timeout(Duration::from_secs(20), run).await;
        ended.expect("it takes too long");
        // The kernel has let go of the last one.
        while uring.counters().operations > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let counters = uring.counters();
    // On loopback the kernel copies all the same, and says so; also where it says so late, it was asked
    // no second time.
    assert_eq!(counters.zero_copy_sends, 1, "{counters:?}");
    assert_eq!(counters.zero_copies_copied, 1, "{counters:?}");
}
