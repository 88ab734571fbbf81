//! Shards share a port among themselves and with nobody else.

use std::future::poll_fn;
use std::num::NonZeroUsize;

use dipole_net::{Addr, DialerExt, ErrorKind, ListenOptions, Transport};
use dipole_tokio::Tokio;

fn options(shards: usize) -> ListenOptions {
    let mut options = ListenOptions::default();
    options.shards = NonZeroUsize::new(shards).expect("at least one");
    options
}

#[tokio::test]
async fn a_port_with_shards_is_taken_for_everybody_else() {
    let any: Addr = "127.0.0.1:0".parse().unwrap();
    let listeners = Tokio::new().listen(&any, &options(3)).unwrap();
    let taken = listeners[0].local_addr();
    for shards in [1, 3] {
        let error = Tokio::new().listen(&taken, &options(shards)).err().expect("taken");
        assert_eq!(*error.kind(), ErrorKind::AddrInUse, "{shards} shards");
    }
}

#[tokio::test]
async fn every_shard_gets_connections() {
    let any: Addr = "127.0.0.1:0".parse().unwrap();
    let mut listeners = Tokio::new().listen(&any, &options(3)).unwrap();
    let addr = listeners[0].local_addr();
    let mut dialled = Vec::new();
    for _ in 0..200 {
        dialled.push(Tokio::new().dial_timeout(&addr, None).await.unwrap());
    }
    for listener in &mut listeners {
        assert_eq!(listener.local_addr(), addr);
        poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
    }
}
