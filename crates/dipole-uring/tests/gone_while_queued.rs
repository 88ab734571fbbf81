//! Clients that reset their connections before these are accepted.

#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use dipole_io::DrivenRuntime;
use dipole_net::{Addr, ErrorKind, ListenOptions, Transport};
use dipole_uring::Uring;
use socket2::SockRef;

/// Any other error has a server wait before it accepts again, and whoever resets keeps all out.
#[test]
fn a_client_that_is_gone_when_it_is_accepted_is_a_reset() {
    let uring = match Uring::new() {
        Ok(uring) => uring,
        Err(error) => return println!("NOT TRIED: {error}"),
    };
    let transport: Arc<dyn Transport> = Arc::new(uring.clone());
    let runtime = DrivenRuntime::new([&transport]).expect("a ring of this thread");
    let addr = "127.0.0.1:0".parse().expect("an address");
    let mut listener = uring.listen(&addr, &ListenOptions::default()).expect("it binds").remove(0);
    let Addr::Ip(addr) = listener.local_addr() else { panic!("an IP address") };
    // The listener joins its ring when it is polled: until then all of them stay queued.
    for _ in 0..3 {
        let client = TcpStream::connect(addr).expect("it listens");
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("a socket option");
    }
    let client = TcpStream::connect(addr).expect("it listens");
    let near = client.local_addr().expect("its address");
    runtime.block_on(async {
        for _ in 0..3 {
            let gone = poll_fn(|cx| listener.poll_accept(cx)).await.expect_err("it is gone");
            assert_eq!(*gone.kind(), ErrorKind::Reset, "{gone}");
        }
        let incoming = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a client that stays");
        assert_eq!(*incoming.peer_addr(), Addr::Ip(near));
    });
}
