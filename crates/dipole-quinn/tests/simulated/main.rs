//! QUIC over the simulated network: quinn's own loss recovery, timers and migration meet seeded loss,
//! overtaking and partitions, in virtual time.

mod network;
mod paths;
mod replay;
mod sockets;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{
    DialOptions, DialerExt, ErrorKind, ListenOptions, ReceiveStreamExt, SendStreamExt, StreamConn,
    StreamOptions, Transport,
};
use dipole_sim::Network;
use network::{CLIENT, SERVER, quinn};
use sockets::SimSockets;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Both ends of a connection, and the client's sockets.
struct Ends {
    client: Arc<dyn StreamConn>,
    server: Arc<dyn StreamConn>,
    sockets: Arc<SimSockets>,
}

async fn ends(network: &Network, change: impl Fn(&mut StreamOptions)) -> Ends {
    let (mut listen, mut dial) = (ListenOptions::default(), DialOptions::default());
    // A handshake may be lost several times over.
    listen.streams.handshake_timeout = secs(120);
    change(&mut listen.streams);
    dial.streams = listen.streams.clone();
    let at_server = quinn(SimSockets::new(network, SERVER));
    let address = format!("{SERVER}:443").parse().expect("an address");
    let mut listener = at_server.listen(&address, &listen).expect("the server listens").remove(0);
    let sockets = SimSockets::new(network, CLIENT);
    let at_client = quinn(sockets.clone());
    let accepting = async {
        let incoming = poll_fn(|cx| listener.poll_accept(cx)).await?;
        incoming.accept().await
    };
    let (dialled, accepted) = tokio::join!(at_client.dial_streams(&address, &dial), accepting);
    let accepted = accepted.expect("the server's handshake").into_streams().expect("streams");
    Ends {
        client: dialled.expect("the client's handshake").into(),
        server: accepted.into(),
        sockets,
    }
}

/// `length` bytes from the client to the server; gives when all of them have come.
async fn upload(ends: &Ends, length: usize) -> dipole_net::Result<()> {
    let sent: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
    let mut stream = ends.client.open_uni_stream_sync().await?;
    let data = sent.clone();
    let writing = tokio::spawn(async move {
        stream.write_all(&data).await?;
        stream.close().await?;
        stream.stopped().await
    });
    let mut stream = ends.server.accept_uni_stream().await?;
    let seen = stream.read_to_end(length).await?;
    assert!(seen[..] == sent, "other bytes came");
    assert_eq!(writing.await.expect("no panic")?, None);
    Ok(())
}

fn kind<T>(result: dipole_net::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.kind().clone(),
    }
}
