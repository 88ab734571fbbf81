//! Peers that say what they may not, and peers that say little; in virtual time.

use std::future::poll_fn;
use std::time::Duration;

use dipole_net::{
    Addr, Conn, ConnExt, DialOptions, DialerExt, ErrorKind, Initiator, ListenOptions, Listener,
    ReceiveStreamExt, SendStreamExt, StreamConn, Transport,
};
use dipole_sim::Network;
use own_streams::Mux;
use tokio::time::{sleep, timeout};

/// A hello that allows little, then three bytes of stream 0: as on the wire.
fn session() -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(b"OWN1");
    for limit in [10_u32, 10, 1000, 1000, 0, 0] {
        bytes.extend_from_slice(&limit.to_be_bytes());
    }
    bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(b"abc");
    bytes
}

/// Where in it the hello says how long the connection may idle, in milliseconds; 0 is no limit.
const IDLE_TIME: std::ops::Range<usize> = 36..44;

fn listen(options: &ListenOptions) -> (Network, Mux, Box<dyn Listener>) {
    let network = Network::default();
    let mux = Mux::over(network.clone(), network.clone());
    let address = "sim:alpha:0".parse().expect("an address");
    let listener = mux.listen(&address, options).expect("a free address").remove(0);
    (network, mux, listener)
}

/// What becomes of a byte stream that begins with `bytes`: the raw end, and the listener's.
async fn accepted(
    network: &Network,
    listener: &mut dyn Listener,
    bytes: &[u8],
) -> (Box<dyn Conn>, dipole_net::Result<Box<dyn StreamConn>>) {
    let address: Addr = listener.local_addr();
    let mut raw = network.dial_timeout(&address, None).await.expect("a byte stream");
    let incoming = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection");
    raw.write_all(bytes).await.expect("room");
    let accepted = incoming.accept().await;
    (raw, accepted.map(|connection| connection.into_streams().expect("streams")))
}

#[tokio::test(start_paused = true)]
async fn a_changed_byte_ends_one_connection_at_most() {
    let (network, _, mut listener) = listen(&ListenOptions::default());
    let (mut refused, mut ended, mut lived) = (0, 0, 0);
    for at in 0..session().len() {
        for flip in [1, 2, 0x40, 0x80, 0xff] {
            let mut bytes = session();
            bytes[at] ^= flip;
            let (raw, accepted) = accepted(&network, &mut *listener, &bytes).await;
            let Ok(conn) = accepted else {
                refused += 1;
                continue;
            };
            let Ok(error) = timeout(Duration::from_millis(50), conn.closed()).await else {
                lived += 1;
                continue;
            };
            let expected = match IDLE_TIME.contains(&at) {
                // It wants the connection to idle out sooner, and may.
                true => ErrorKind::TimedOut,
                false => ErrorKind::Protocol { code: 1, by: Initiator::Local },
            };
            assert_eq!(*error.kind(), expected, "byte {at} changed by {flip:#x}");
            ended += 1;
            drop(raw);
        }
    }
    assert!(refused > 20 && ended > 20 && lived > 20, "{refused} {ended} {lived}");
    let (_raw, accepted) = accepted(&network, &mut *listener, &session()).await;
    let conn = accepted.expect("the listener lives");
    let mut stream = conn.accept_stream().await.expect("a stream");
    assert_eq!(stream.receive.read().await.expect("data").as_deref(), Some(&b"abc"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_broke_the_protocol_is_told_so() {
    let (network, _, mut listener) = listen(&ListenOptions::default());
    let (mut raw, accepted) = accepted(&network, &mut *listener, &session()).await;
    let conn = accepted.expect("a connection");
    raw.write_all(&[0xff; 16]).await.expect("room");
    let error = conn.closed().await;
    assert_eq!(*error.kind(), ErrorKind::Protocol { code: 1, by: Initiator::Local });
    // The listener's hello, then its close: 17 bytes that end in the reason.
    raw.skip_all(16 + 28).await.expect("a hello");
    let mut last = Vec::new();
    while let Ok(byte) = raw.read_byte().await {
        last.push(byte);
    }
    assert_eq!(last, [10, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_only_sends_is_not_idle() {
    const IDLE: Duration = Duration::from_millis(400);
    let (mut listening, mut dialling) = (ListenOptions::default(), DialOptions::default());
    listening.streams.idle_timeout = Some(IDLE);
    dialling.streams.idle_timeout = Some(IDLE);
    let (_, mux, mut listener) = listen(&listening);
    let address = listener.local_addr();
    let accepting = async {
        let incoming = poll_fn(|cx| listener.poll_accept(cx)).await?;
        incoming.accept().await
    };
    let (conn, accepted) = tokio::join!(mux.dial_streams(&address, &dialling), accepting);
    let (conn, _accepted) = (conn.expect("a connection"), accepted.expect("a connection"));
    let mut stream = conn.open_uni_stream().expect("credit");
    for _ in 0..20 {
        // So little that no credit comes back for it.
        stream.write_all(b"x").await.expect("a connection that lives");
        sleep(IDLE / 2).await;
    }
    // And when it sends no more, it is.
    let error = timeout(IDLE * 2, conn.closed()).await.expect("an end");
    assert!(error.is_timeout(), "{error}");
}
