//! A connection of a worker's ring is used from threads that drive no ring.

#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use dipole_io::DrivenRuntime;
use dipole_net::{Conn, ConnExt, DialerExt, ListenOptions, Result, Transport};
use dipole_uring::Uring;

/// Runs `ends` with both ends of a connection on this thread's ring, which is driven meanwhile.
fn with_a_pair(ends: impl FnOnce(Box<dyn Conn>, Box<dyn Conn>) + Send + 'static) {
    let uring = match Uring::new() {
        Ok(uring) => uring,
        Err(error) => return println!("NOT TRIED: {error}"),
    };
    let transport: Arc<dyn Transport> = Arc::new(uring.clone());
    let runtime = DrivenRuntime::new([&transport]).expect("a ring of this thread");
    runtime.block_on(async {
        let addr = "127.0.0.1:0".parse().unwrap();
        let mut listener = uring.listen(&addr, &ListenOptions::default()).unwrap().remove(0);
        let addr = listener.local_addr();
        let (near, far) = tokio::join!(uring.dial_timeout(&addr, None), async {
            let incoming = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
            Ok(incoming.accept().await?.into_bytes().expect("a byte stream"))
        });
        let (near, far): (Result<_>, Result<_>) = (near, far);
        let (near, far) = (near.unwrap(), far.unwrap());
        // This thread does nothing but drive the ring until they have ended.
        let elsewhere = tokio::task::spawn_blocking(move || ends(near, far));
        let ended = tokio::time::timeout(Duration::from_secs(20), elsewhere).await;
        ended.expect("it takes too long").expect("it does not panic");
    });
}

/// On this thread, which is none of the ring's.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn two_other_threads_talk_over_it() {
    const ROUNDS: usize = 500;
    with_a_pair(|mut near, mut far| {
        let echo = std::thread::spawn(move || {
            block_on(async {
                for _ in 0..ROUNDS {
                    let message = far.read_binary(1000).await?;
                    far.write_binary(message);
                    far.flush().await?;
                }
                far.peek(1).await.map(drop)
            })
        });
        block_on(async {
            for round in 0..ROUNDS {
                let message = vec![round as u8; 1000];
                near.write_all(&message).await.unwrap();
                assert_eq!(near.read_binary(1000).await.unwrap(), message);
            }
        });
        drop(near);
        let end = echo.join().unwrap().unwrap_err();
        assert_eq!(*end.kind(), dipole_net::ErrorKind::Eof);
    });
}

#[test]
fn it_moves_between_threads_with_a_message_under_way() {
    with_a_pair(|mut near, far| {
        let total = 8 << 20;
        let (give, take) = mpsc::channel::<Box<dyn Conn>>();
        let reader = std::thread::spawn(move || {
            // A connection that its last owner has begun to read from.
            let mut far = take.recv().unwrap();
            block_on(async {
                let mut read = 0;
                while read < total {
                    far.peek(1).await.unwrap();
                    assert!(far.buffered().iter().all(|&byte| byte == 7));
                    read += far.len();
                    let held = far.len();
                    far.skip(held).unwrap();
                    far.release();
                }
            });
        });
        let mut far = far;
        let waits = block_on(async {
            tokio::time::timeout(Duration::from_millis(20), far.peek(1)).await.is_err()
        });
        assert!(waits, "nothing was sent");
        give.send(far).unwrap();
        block_on(near.write_all(&vec![7; total])).unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn one_that_is_dropped_elsewhere_is_closed() {
    with_a_pair(|near, mut far| {
        std::thread::spawn(move || drop(near)).join().unwrap();
        let end = block_on(far.peek(1)).map(drop).unwrap_err();
        assert_eq!(*end.kind(), dipole_net::ErrorKind::Eof);
    });
}
