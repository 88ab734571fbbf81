//! Listeners and their shards.

use std::num::NonZeroUsize;
use std::task::{Context, Poll, Waker};

use dipole_net::{DialerExt, ErrorKind, ListenOptions, Listener, Transport};
use dipole_sim::Network;

use crate::{accept, addr, kind, listen};

fn shards(network: &Network, count: usize) -> Vec<Box<dyn Listener>> {
    let mut options = ListenOptions::default();
    options.shards = NonZeroUsize::new(count).unwrap();
    network.listen(&addr("sim:alpha:0"), &options).unwrap()
}

fn accept_all(listener: &mut Box<dyn Listener>) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut count = 0;
    while let Poll::Ready(incoming) = listener.poll_accept(&mut cx) {
        incoming.unwrap();
        count += 1;
    }
    count
}

#[tokio::test(start_paused = true)]
async fn an_address_is_taken_until_its_last_shard_is_dropped() {
    let network = Network::default();
    let mut listeners = shards(&network, 3);
    let taken = listeners[0].local_addr();
    assert!(listeners.iter().all(|listener| listener.local_addr() == taken));
    assert_ne!(taken, addr("sim:alpha:0"));
    while let Some(listener) = listeners.pop() {
        let again = network.listen(&taken, &ListenOptions::default());
        assert_eq!(kind(again), ErrorKind::AddrInUse);
        drop(listener);
    }
    assert_eq!(network.stats().listeners, 0);
    network.listen(&taken, &ListenOptions::default()).unwrap();
    for text in ["unix:/run/x.sock", "other:alpha:1"] {
        let listened = network.listen(&addr(text), &ListenOptions::default());
        assert_eq!(kind(listened), ErrorKind::Unsupported);
    }
    let listened = network.listen(&addr("sim:alpha"), &ListenOptions::default());
    assert_eq!(kind(listened), ErrorKind::InvalidInput);
}

#[tokio::test(start_paused = true)]
async fn port_0_gives_a_port_of_its_own_each_time() {
    let network = Network::default();
    let listeners: Vec<_> = (0..100).map(|_| listen(&network, "127.0.0.1:0")).collect();
    let ports: std::collections::BTreeSet<_> =
        listeners.iter().map(|listener| listener.local_addr().port()).collect();
    assert_eq!(ports.len(), 100);
    assert!(!ports.contains(&Some(0)));
}

#[tokio::test(start_paused = true)]
async fn shards_get_connections_in_turn() {
    let network = Network::default();
    let mut listeners = shards(&network, 4);
    let to = listeners[0].local_addr();
    let mut conns = Vec::new();
    for _ in 0..40 {
        conns.push(network.dial_timeout(&to, None).await.unwrap());
    }
    for listener in &mut listeners {
        assert_eq!(accept_all(listener), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn the_connections_of_a_dropped_shard_go_to_the_others() {
    let network = Network::default();
    let mut listeners = shards(&network, 3);
    let to = listeners[0].local_addr();
    for _ in 0..30 {
        network.dial_timeout(&to, None).await.unwrap();
    }
    drop(listeners.remove(1));
    let mut last = listeners.pop().unwrap();
    assert_eq!(accept_all(&mut last), 15);
    drop(last);
    assert_eq!(accept_all(&mut listeners[0]), 15);
    let _conn = network.dial_timeout(&to, None).await.unwrap();
    assert_eq!(accept_all(&mut listeners[0]), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_listener_is_woken() {
    let network = Network::default();
    let mut listener = listen(&network, "sim:alpha:80");
    let to = listener.local_addr();
    let accepting = tokio::spawn(async move { accept(&mut listener).await.local_addr() });
    tokio::task::yield_now().await;
    let _conn = network.dial_timeout(&to, None).await.unwrap();
    assert_eq!(accepting.await.unwrap(), to);
}

#[tokio::test(start_paused = true)]
async fn an_accept_that_was_made_to_fail_keeps_the_connection() {
    let network = Network::default();
    let mut listener = listen(&network, "sim:alpha:80");
    let _conn = network.dial_timeout(&listener.local_addr(), None).await.unwrap();
    network.fail_accepts(2);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..2 {
        let Poll::Ready(Err(error)) = listener.poll_accept(&mut cx) else { panic!("no error") };
        assert!(error.is_temporary());
    }
    assert_eq!(accept_all(&mut listener), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_what_was_accepted_but_not_used_closes_it() {
    use dipole_net::ConnExt;

    let network = Network::default();
    let mut listener = listen(&network, "sim:alpha:80");
    let mut conn = network.dial_timeout(&listener.local_addr(), None).await.unwrap();
    assert_eq!(accept_all(&mut listener), 1);
    assert_eq!(kind(conn.peek(1).await), ErrorKind::Eof);
}
