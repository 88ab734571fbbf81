//! The simulated network as a world: hosts, ways, partitions, crashes, datagrams.

mod bandwidth;
mod crashes;
mod datagrams;
mod loss;
mod partitions;
mod replay;

use std::future::poll_fn;
use std::time::Duration;

use dipole_net::{Addr, Conn, DialerExt, ErrorKind, ListenOptions, Listener, Result, Transport};
use dipole_sim::Network;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
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

/// A connection from alpha to beta, with beta's listener: alpha's end first.
async fn alpha_to_beta(network: &Network) -> (Box<dyn Conn>, Box<dyn Conn>, Box<dyn Listener>) {
    let mut listener = listen(&network.at("beta"), "sim:beta:80");
    let alpha =
        network.at("alpha").dial_timeout(&addr("sim:beta:80"), None).await.expect("dialled");
    let beta = accept(&mut listener).await;
    (alpha, beta, listener)
}
