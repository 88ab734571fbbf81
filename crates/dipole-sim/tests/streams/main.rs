//! Connections of many streams on the simulated network: what the kit, which judges a network that
//! is quick, does not see.

mod alpn;
mod idling;
mod partitions;
mod replay;
mod travelling;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{
    Addr, DialOptions, DialerExt, Error, ErrorKind, Initiator, ListenOptions, Listener,
    ReceiveStreamExt, Result, SendStreamExt, Stream, StreamConn, StreamOptions, Transport,
};
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

fn closed_by_peer(code: u64) -> ErrorKind {
    ErrorKind::Application { code, reason: bytes::Bytes::new(), by: Initiator::Peer }
}

/// A connection of alpha's to beta's listener.
struct Ends {
    alpha: Arc<dyn StreamConn>,
    beta: Arc<dyn StreamConn>,
    _listener: Box<dyn Listener>,
}

async fn ends(network: &Network) -> Ends {
    ends_with(network, |_| {}).await
}

/// Both ends have the same options.
async fn ends_with(network: &Network, change: impl Fn(&mut StreamOptions)) -> Ends {
    let (mut listen, mut dial) = (ListenOptions::default(), DialOptions::default());
    change(&mut listen.streams);
    change(&mut dial.streams);
    let streams = network.at("beta").streams();
    let listeners = streams.listen(&addr("sim:beta:443"), &listen).expect("beta listens");
    let mut listener = listeners.into_iter().next().expect("one listener");
    let dialer = network.at("alpha").streams();
    let to = addr("sim:beta:443");
    // Where much is lost.
    dial.streams.handshake_timeout = secs(300);
    let alpha = dialer.dial_streams(&to, &dial).await.expect("alpha dials").into();
    let beta = accept(&mut listener).await;
    Ends { alpha, beta, _listener: listener }
}

async fn accept(listener: &mut Box<dyn Listener>) -> Arc<dyn StreamConn> {
    let incoming = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection");
    incoming.accept().await.expect("no handshake").into_streams().expect("streams").into()
}

impl Ends {
    /// A stream of alpha's that has carried a byte: alpha's end, and beta's.
    async fn stream(&self) -> Result<(Stream, Stream)> {
        let mut ours = self.alpha.open_stream_sync().await?;
        ours.send.write_all(b"!").await?;
        let mut theirs = self.beta.accept_stream().await?;
        assert_eq!(theirs.receive.read().await?.as_deref(), Some(&b"!"[..]));
        Ok((ours, theirs))
    }
}

/// A byte there and the same byte back.
async fn talk((ours, theirs): &mut (Stream, Stream)) -> Result<(), Error> {
    ours.send.write_all(b"?").await?;
    let asked = theirs.receive.read().await?;
    theirs.send.write_all(&asked.expect("no end")).await?;
    assert_eq!(ours.receive.read().await?.as_deref(), Some(&b"?"[..]));
    Ok(())
}
