//! What the simulated network promises, one scenario a file, under a paused clock.

mod closing;
mod determinism;
mod dialing;
mod ending;
mod flushing;
mod giving_up;
mod latency;
mod listening;
mod memory;
mod threads;
mod timeouts;

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dipole_net::{Addr, Conn, ErrorKind, ListenOptions, Listener, Result, Transport};
use dipole_sim::Network;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.kind().clone(),
    }
}

fn listen(network: &Network, text: &str) -> Box<dyn Listener> {
    let listeners = network.listen(&addr(text), &ListenOptions::default());
    listeners.unwrap_or_else(|error| panic!("{error}")).remove(0)
}

async fn accept(listener: &mut Box<dyn Listener>) -> Box<dyn Conn> {
    let incoming = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection");
    incoming.accept().await.expect("no handshake").into_bytes().expect("bytes")
}

/// Polls once, and wakes nobody later.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
