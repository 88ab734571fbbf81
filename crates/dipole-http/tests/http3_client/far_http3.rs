//! The far end: an HTTP/3 server that is a script, and a client that asks it.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, Client, ClientConfig, ClientError, ProtocolChoice};
use dipole_net::{
    BoxReceive, BoxSend, Error, ListenOptions, Listener, ReceiveStreamExt, Result, SendStreamExt,
    StreamConn, Transport,
};
use dipole_sim::{Config, Network, Reach};
use http::{Method, Request, Response};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fake_tls::FakeTls;
use crate::wire::{DATA, HEADERS, SETTINGS, frame, integer};

/// How long the far end waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Asked = JoinHandle<std::result::Result<Response<Body>, ClientError>>;

/// A client that speaks HTTP/3 alone, and the server that it asks.
pub(crate) fn near_and_far() -> (Near3, Far3) {
    configured(|_| {})
}

pub(crate) fn configured(change: impl FnOnce(&mut ClientConfig)) -> (Near3, Far3) {
    let all = |config: &mut ClientConfig| {
        config.protocol = ProtocolChoice::Http3;
        change(config);
    };
    let (near, far, _) = both(ListenOptions::default(), all);
    (near, far)
}

/// A client and a server that never answers it.
pub(crate) fn unanswered(change: impl FnOnce(&mut ClientConfig)) -> Near3 {
    let (near, _, network) = both(ListenOptions::default(), |config| {
        config.protocol = ProtocolChoice::Http3;
        change(config);
    });
    network.set_reach("127.0.0.1", Reach::Silent);
    near
}

/// As `configured`, with a server that listens so, and the network of the other versions.
pub(crate) fn both(
    options: ListenOptions,
    change: impl FnOnce(&mut ClientConfig),
) -> (Near3, Far3, Network) {
    let network = Network::new(Config::default());
    let streams = network.streams().protocols(["h3"]);
    let addr = "127.0.0.1:0".parse().expect("an address");
    let listener = streams.listen(&addr, &options).expect("a port is free").into_iter().next();
    let far = Far3 { listener: listener.expect("one for a shard") };
    let mut config = ClientConfig::default();
    change(&mut config);
    let builder = Client::builder().with_dialer(network.clone()).with_tls(FakeTls);
    let client = builder.with_stream_dialer(streams).config(config).build();
    let url = format!("https://{}/", far.listener.local_addr());
    (Near3 { client, url }, far, network)
}

/// The client's side.
pub(crate) struct Near3 {
    pub(crate) client: Client,
    /// Where the server listens.
    pub(crate) url: String,
}

impl Near3 {
    /// Sends a request from a task of its own.
    pub(crate) fn ask(&self, request: Request<Body>) -> Asked {
        let client = self.client.clone();
        tokio::spawn(async move { client.request(request).await })
    }

    pub(crate) fn get(&self) -> Asked {
        self.method(Method::GET, Body::empty())
    }

    pub(crate) fn method(&self, method: Method, body: Body) -> Asked {
        let request = Request::builder().method(method).uri(&self.url).body(body);
        self.ask(request.expect("a request"))
    }
}

/// The server's side.
pub(crate) struct Far3 {
    pub(crate) listener: Box<dyn Listener>,
}

impl Far3 {
    /// The next connection, on which nothing was said yet.
    pub(crate) async fn accept_silent(&mut self) -> Peer {
        let accepted = poll_fn(|cx| self.listener.poll_accept(cx));
        let accepted = timeout(PATIENCE, accepted).await.expect("the client dials");
        let connection = accepted.expect("no fault").accept().await.expect("a handshake");
        let conn = connection.into_streams().expect("a connection of streams");
        Peer { conn: Arc::from(conn), control: Default::default() }
    }

    /// The next connection, with its settings.
    pub(crate) async fn accept(&mut self) -> Peer {
        self.accept_with(&[]).await
    }

    /// The next connection, with these settings.
    pub(crate) async fn accept_with(&mut self, settings: &[u8]) -> Peer {
        let peer = self.accept_silent().await;
        let mut control = peer.conn.open_uni_stream_sync().await.expect("credit");
        let settings = [integer(0), frame(SETTINGS, settings)].concat();
        control.write_all(&settings).await.expect("the client is there");
        *peer.control.lock().await = Some(control);
        peer
    }

    /// Nobody dials for so long.
    pub(crate) async fn expect_no_dial(&mut self, how_long: Duration) {
        let accepted = poll_fn(|cx| self.listener.poll_accept(cx));
        assert!(timeout(how_long, accepted).await.is_err(), "the client dialled");
    }
}

/// A connection as the server sees it.
pub(crate) struct Peer {
    pub(crate) conn: Arc<dyn StreamConn>,
    control: tokio::sync::Mutex<Option<BoxSend>>,
}

impl Peer {
    /// The next request, once its head is there.
    pub(crate) async fn next(&self) -> Got {
        let got = timeout(PATIENCE, self.try_next()).await.expect("a request comes");
        got.expect("the client is there")
    }

    /// As `next`, where the client may be gone.
    pub(crate) async fn try_next(&self) -> Result<Got> {
        let stream = self.conn.accept_stream().await?;
        let mut got = Got { send: stream.send, receive: stream.receive, held: Vec::new() };
        let (kind, _) = got.frame().await?.expect("a head");
        assert_eq!(kind, HEADERS);
        Ok(got)
    }

    /// Answers the next request with these bytes, and ends the stream.
    pub(crate) async fn serve(&self, bytes: &[u8]) -> Got {
        let mut got = self.next().await;
        got.finish(bytes).await;
        got
    }

    /// Goes on with the control stream.
    pub(crate) async fn control(&self, bytes: &[u8]) {
        let mut control = self.control.lock().await;
        let control = control.as_mut().expect("settings were sent");
        control.write_all(bytes).await.expect("the client is there");
    }

    /// Why the connection has ended.
    pub(crate) async fn closed(&self) -> Error {
        timeout(PATIENCE, self.conn.closed()).await.expect("the client closes")
    }
}

/// A request as the server sees it.
pub(crate) struct Got {
    pub(crate) send: BoxSend,
    pub(crate) receive: BoxReceive,
    held: Vec<u8>,
}

impl Got {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.send.write_all(bytes).await.expect("the client is there");
    }

    /// Sends these bytes, and the end.
    pub(crate) async fn finish(&mut self, bytes: &[u8]) {
        self.send(bytes).await;
        self.send.close().await.expect("the client is there");
    }

    /// The next frame: its kind and its payload. `None` at the end.
    pub(crate) async fn frame(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        loop {
            if let Some((kind, payload, length)) = whole_frame(&self.held) {
                self.held.drain(..length);
                return Ok(Some((kind, payload)));
            }
            let read = timeout(PATIENCE, self.receive.read()).await.expect("something comes")?;
            match read {
                Some(bytes) => self.held.extend_from_slice(&bytes),
                None if self.held.is_empty() => return Ok(None),
                None => panic!("cut within a frame"),
            }
        }
    }

    /// The rest of the request: its data, and whether trailers came after it.
    pub(crate) async fn rest(&mut self) -> Result<(Vec<u8>, bool)> {
        let mut all = Vec::new();
        let mut has_trailers = false;
        while let Some((kind, payload)) = self.frame().await? {
            match kind {
                DATA => all.extend_from_slice(&payload),
                HEADERS => has_trailers = true,
                other => panic!("frame {other}"),
            }
        }
        Ok((all, has_trailers))
    }

    /// The code by which the client has broken the request off.
    pub(crate) async fn broken_off(&mut self) -> Error {
        self.rest().await.expect_err("it does not end in order")
    }

    /// The code by which the client wants no more of the response.
    pub(crate) async fn stopped(&mut self) -> Option<u64> {
        let stopped = timeout(PATIENCE, self.send.stopped()).await.expect("the client says so");
        stopped.expect("the connection is there")
    }
}

fn whole_frame(held: &[u8]) -> Option<(u64, Vec<u8>, usize)> {
    let (kind, first) = decode(held)?;
    let (length, second) = decode(&held[first..])?;
    let begin = first + second;
    let payload = held.get(begin..begin + length as usize)?;
    Some((kind, payload.to_vec(), begin + length as usize))
}

fn decode(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let rest = bytes.get(1..length)?;
    let value =
        rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    Some((value, length))
}

/// A body without a length.
pub(crate) fn streamed(pieces: &[&'static str]) -> Body {
    let (feed, body) = crate::far::by_hand();
    for piece in pieces {
        let frame = http_body::Frame::data(Bytes::from_static(piece.as_bytes()));
        feed.send(Ok(frame)).expect("the body is there");
    }
    body
}
