//! The two clients: one that behaves, and raw frames.

use bytes::Bytes;
use dipole_io::AsyncConn;
use h2::client::{Connection, SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::task::JoinHandle;

use crate::support::{Peer, Site};

pub(crate) type Client = SendRequest<Bytes>;
pub(crate) type Ended = JoinHandle<Result<(), h2::Error>>;

/// A client over a new connection, and how that ends.
pub(crate) async fn connect(site: &Site) -> (Client, Ended) {
    let conn = AsyncConn::new(site.connect().await.conn);
    let (client, connection): (_, Connection<_, Bytes>) =
        builder().handshake(conn).await.expect("HTTP/2");
    (client, tokio::spawn(connection))
}

/// A window for the connection that one stream alone does not fill.
fn builder() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(1 << 20);
    builder
}

/// Sends a request with this body, and gives the head of its answer.
pub(crate) async fn begin(
    client: &Client,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> Result<Response<h2::RecvStream>, h2::Error> {
    let body = body.into();
    let request = request.body(()).expect("a request");
    let mut client = client.clone().ready().await?;
    let (response, mut stream) = client.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        stream.send_data(body, true)?;
    }
    response.await
}

/// A whole answer: its head, its body and its trailers.
pub(crate) async fn ask(
    client: &Client,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> Result<(Response<String>, Option<HeaderMap>), h2::Error> {
    let (parts, mut stream) = begin(client, request, body).await?.into_parts();
    let (data, trailers) = read(&mut stream).await?;
    let text = String::from_utf8(data).expect("text");
    Ok((Response::from_parts(parts, text), trailers))
}

pub(crate) async fn read(
    stream: &mut h2::RecvStream,
) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut whole = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok((whole, stream.trailers().await?))
}

pub(crate) fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://a{path}"))
}

pub(crate) fn post(path: &str) -> http::request::Builder {
    Request::post(format!("http://a{path}"))
}

/// A frame (RFC 9113 section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// GET / of host a, in HPACK.
pub(crate) const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 1, b'a'];
/// POST / of host a.
pub(crate) const POST: &[u8] = &[0x83, 0x86, 0x84, 0x01, 1, b'a'];

/// The preface and settings (as their payload) of a raw client.
pub(crate) async fn greet(peer: &mut Peer, settings: &[u8]) {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    peer.send([&preface[..], &frame(SETTINGS, 0, 0, settings)].concat()).await;
}

/// What the server has sent until its connection ended: GOAWAY's codes, and stream resets.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) goaways: Vec<u32>,
    pub(crate) resets: Vec<(u32, u32)>,
    /// The streams that were answered.
    pub(crate) answered: Vec<u32>,
}

/// Reads all that still comes, to the connection's end.
pub(crate) async fn farewell(peer: &mut Peer) -> Farewell {
    let (bytes, _) = peer.rest_bytes().await;
    said(&bytes)
}

/// What these bytes of the server's say, from the first frame on.
pub(crate) fn said(bytes: &[u8]) -> Farewell {
    let mut farewell = Farewell::default();
    let mut rest = bytes;
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let (kind, stream) = (rest[3], word(&rest[5..9]));
        let Some(payload) = rest.get(9..9 + length) else { break };
        match kind {
            GOAWAY => farewell.goaways.push(word(&payload[4..8])),
            RST_STREAM => farewell.resets.push((stream, word(payload))),
            HEADERS => farewell.answered.push(stream),
            _ => {}
        }
        rest = &rest[9 + length..];
    }
    farewell
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// Error codes (RFC 9113 section 7).
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
