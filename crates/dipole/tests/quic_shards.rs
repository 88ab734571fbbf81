//! Connections of one UDP port spread over its shards, and stay where they are when their client's
//! address changes, and when the port listens no more; on both QUIC libraries.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dipole::net::{
    Addr, DialOptions, Dialer, DialerExt, ListenOptions, Listener, ReceiveStreamExt, SendStreamExt,
    StreamConn, Transport,
};
use dipole::quinn::Quinn;
use dipole::s2n::S2n;
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const SHARDS: NonZeroUsize = NonZeroUsize::new(3).unwrap();
const CLIENTS: usize = 9;
/// More than each answer takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_connections_spread_and_stay_when_their_client_moves() {
    let (server, client) = certified();
    connections_spread_and_stay(Quinn::new(server, client)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_connections_spread_and_stay_when_their_client_moves() {
    let (server, client) = certified();
    connections_spread_and_stay(S2n::new(server, client)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_connections_outlive_their_listeners() {
    let (server, client) = certified();
    connections_outlive_their_listeners(Quinn::new(server, client)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_connections_outlive_their_listeners() {
    let (server, client) = certified();
    connections_outlive_their_listeners(S2n::new(server, client)).await;
}

async fn connections_outlive_their_listeners(library: impl Transport + Dialer) {
    let mut options = ListenOptions::default();
    options.shards = SHARDS;
    let listeners = library.listen(&"127.0.0.1:0".parse().unwrap(), &options).expect("a port");
    let server = listeners[0].local_addr();
    let mut serving = JoinSet::new();
    for (shard, listener) in listeners.into_iter().enumerate() {
        serving.spawn(serve(u8::try_from(shard).expect("few shards"), listener));
    }
    let conn = library.dial_streams(&server, &DialOptions::default()).await.expect("a connection");
    let shard = ask(&*conn).await;
    serving.shutdown().await;
    for _ in 0..20 {
        assert_eq!(ask(&*conn).await, shard);
        sleep(Duration::from_millis(10)).await;
    }
}

async fn connections_spread_and_stay(library: impl Transport + Dialer) {
    let mut options = ListenOptions::default();
    options.shards = SHARDS;
    let listeners = library.listen(&"127.0.0.1:0".parse().unwrap(), &options).expect("a port");
    assert_eq!(listeners.len(), SHARDS.get());
    let server = listeners[0].local_addr().ip().expect("an IP address");
    for (shard, listener) in listeners.into_iter().enumerate() {
        assert_eq!(listener.local_addr().ip(), Some(server), "all shards have one port");
        tokio::spawn(serve(u8::try_from(shard).expect("few shards"), listener));
    }

    let mut clients = [0; SHARDS.get()];
    for client in 0..CLIENTS {
        let way = Way::to(server).await;
        let conn = library.dial_streams(&way.address, &DialOptions::default()).await;
        let conn = conn.unwrap_or_else(|error| panic!("client {client}: {error}"));
        let shard = ask(&*conn).await;
        for _ in 0..2 {
            way.change_address().await;
            assert_eq!(ask(&*conn).await, shard, "client {client} has come to another shard");
        }
        clients[usize::from(shard)] += 1;
    }
    assert_eq!(clients, [CLIENTS / SHARDS; SHARDS.get()], "clients of each shard");
}

/// Answers each stream with the shard's number.
async fn serve(shard: u8, mut listener: Box<dyn Listener>) {
    while let Ok(incoming) = poll_fn(|cx| listener.poll_accept(cx)).await {
        tokio::spawn(async move {
            let conn = incoming.accept().await.expect("a handshake");
            let conn: Arc<dyn StreamConn> = conn.into_streams().expect("streams").into();
            while let Ok(mut stream) = conn.accept_stream().await {
                stream.receive.read_to_end(1024).await.expect("a question");
                stream.send.write_all(&[shard]).await.expect("an answer");
                stream.send.close().await.expect("its end");
            }
        });
    }
}

/// Which shard answers.
async fn ask(conn: &dyn StreamConn) -> u8 {
    let answer = async {
        let mut stream = conn.open_stream_sync().await?;
        stream.send.write_all(b"who?").await?;
        stream.send.close().await?;
        stream.receive.read_to_end(1024).await
    };
    let answer = timeout(PATIENCE, answer).await.expect("an answer in time");
    match *answer.expect("an answer") {
        [shard] => shard,
        ref other => panic!("{} bytes for an answer", other.len()),
    }
}

/// A way to the server on which one client's address can change.
struct Way {
    address: Addr,
    changes: mpsc::Sender<UdpSocket>,
}

impl Way {
    async fn to(server: SocketAddr) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = Addr::Ip(front.local_addr().expect("its address"));
        let (changes, addresses) = mpsc::channel(1);
        tokio::spawn(relay(front, server, addresses));
        let way = Self { address, changes };
        way.change_address().await;
        way
    }

    /// Within the range of ports that s2n-quic lets a client move in.
    async fn change_address(&self) {
        const RANGE_BEGINS: u16 = 49152;
        let mut others = Vec::new();
        loop {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
            if socket.local_addr().expect("its address").port() < RANGE_BEGINS {
                self.changes.send(socket).await.expect("the relay");
                return;
            }
            // Kept, so that the system gives another port.
            others.push(socket);
        }
    }
}

async fn relay(front: UdpSocket, server: SocketAddr, mut addresses: mpsc::Receiver<UdpSocket>) {
    let mut back = addresses.recv().await.expect("a first address");
    let mut client = None;
    let (mut there, mut here) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        // Datagrams that cannot be sent are lost, as datagrams are.
        tokio::select! {
            Ok((length, from)) = front.recv_from(&mut there) => {
                client = Some(from);
                drop(back.send_to(&there[..length], server).await);
            }
            Ok((length, _)) = back.recv_from(&mut here) => {
                if let Some(client) = client {
                    drop(front.send_to(&here[..length], client).await);
                }
            }
            address = addresses.recv() => match address {
                Some(address) => back = address,
                None => return,
            },
        }
    }
}

/// A server for this machine, and a client that trusts whoever certified it.
fn certified() -> (ServerTls, ClientTls) {
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let authority = Authority::new("shards", now - hour..now + hour).expect("an authority");
    let names = ["localhost", "127.0.0.1"];
    let issued = authority.issue(&names, now - hour..now + hour).expect("a certificate");
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    let server = ServerTls::new(&ServerTlsOptions::new(issued.identity)).expect("a server");
    (server, ClientTls::new(&trust).expect("a client"))
}
