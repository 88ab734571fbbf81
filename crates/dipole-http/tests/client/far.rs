//! The far end: a server that is a script, and a client that asks it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, BodyError, Client, ClientConfig, ClientError};
use dipole_net::{Conn, ConnExt, ErrorKind, ListenOptions, Listener, Transport};
use dipole_sim::{Config, Network};
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// The whole request of [`Near::get`].
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: far\r\n\r\n";

/// How long the far end waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(1000);

type Asked = JoinHandle<Result<Response<Body>, ClientError>>;

/// A client of `http://far/`, and the server there.
pub(crate) fn near_and_far() -> (Near, Far) {
    configured(|_| {})
}

pub(crate) fn configured(change: impl FnOnce(&mut ClientConfig)) -> (Near, Far) {
    on(Config::default(), change)
}

pub(crate) fn on(network: Config, change: impl FnOnce(&mut ClientConfig)) -> (Near, Far) {
    let network = Network::new(network);
    let mut config = ClientConfig::default();
    change(&mut config);
    let client = Client::builder().with_dialer(network.clone()).config(config).build();
    let far = Far::listening(&network, "far:80");
    (Near { client, network }, far)
}

/// The client's side.
pub(crate) struct Near {
    pub(crate) client: Client,
    pub(crate) network: Network,
}

impl Near {
    /// Sends a request from a task of its own.
    pub(crate) fn ask(&self, request: Request<Body>) -> Asked {
        let client = self.client.clone();
        tokio::spawn(async move { client.request(request).await })
    }

    pub(crate) fn get(&self) -> Asked {
        self.method(Method::GET, Body::empty())
    }

    pub(crate) fn method(&self, method: Method, body: Body) -> Asked {
        let request = Request::builder().method(method).uri("http://far/").body(body);
        self.ask(request.expect("a request"))
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.network.stats().connections
    }
}

/// The server's side.
pub(crate) struct Far {
    listener: Box<dyn Listener>,
}

impl Far {
    pub(crate) fn listening(network: &Network, addr: &str) -> Self {
        let addr = addr.parse().expect("an address");
        let listeners = network.listen(&addr, &ListenOptions::default());
        let listener = listeners.expect("nobody listens there").into_iter().next();
        Self { listener: listener.expect("one for a shard") }
    }

    pub(crate) async fn accept(&mut self) -> FarConn {
        let accepted = poll_fn(|cx| self.listener.poll_accept(cx));
        let accepted = timeout(PATIENCE, accepted).await.expect("the client dials");
        let connection = accepted.expect("no fault").accept().await.expect("no handshake");
        FarConn { conn: connection.into_bytes().expect("a byte stream") }
    }

    /// Nobody dials for a second.
    pub(crate) async fn expect_no_dial(&mut self) {
        let accepted = poll_fn(|cx| self.listener.poll_accept(cx));
        assert!(timeout(Duration::from_secs(1), accepted).await.is_err(), "the client dialled");
    }

    /// Accepts a connection, takes a GET and answers so; then the connection stays.
    pub(crate) async fn serve(&mut self, answer: &str) -> FarConn {
        let mut conn = self.accept().await;
        conn.expect(GET).await;
        conn.send(answer).await;
        conn
    }
}

/// A connection as the server sees it.
pub(crate) struct FarConn {
    pub(crate) conn: Box<dyn Conn>,
}

impl FarConn {
    /// The next bytes are these.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: impl Into<String>) -> impl Future<Output = ()> {
        let text = text.into();
        let caller = std::panic::Location::caller();
        async move {
            for n in 1..=text.len() {
                let came = timeout(PATIENCE, self.conn.peek(n)).await.map(|came| came.map(drop));
                let here = self.conn.buffered().escape_ascii().to_string();
                assert!(matches!(came, Ok(Ok(_))), "{came:?} after {here}, {caller}");
                let matches = self.conn.buffered()[..n] == text.as_bytes()[..n];
                assert!(matches, "{here}, expected {text:?}, {caller}");
            }
            self.conn.skip(text.len()).expect("they are held");
            self.conn.release();
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.conn.write_all(bytes.as_ref())).await;
        sent.expect("the client takes what is sent").expect("the client is there");
    }

    /// The client has closed the connection, and sent nothing before.
    pub(crate) async fn expect_closed(&mut self) {
        let more = timeout(PATIENCE, self.conn.peek(1)).await.expect("the client closes");
        let error = more.expect_err("nothing more comes");
        assert!(matches!(error.kind(), ErrorKind::Eof | ErrorKind::Reset), "{error}");
    }

    /// What the connection ends with, whatever came before.
    pub(crate) async fn conn_error(&mut self) -> ErrorKind {
        loop {
            let more = self.conn.len() + 1;
            let came = timeout(PATIENCE, self.conn.peek(more)).await.expect("the client closes");
            if let Err(error) = came {
                return error.kind().clone();
            }
        }
    }

    /// The client neither sends nor closes for a second.
    pub(crate) async fn expect_silence(&mut self) {
        let more = timeout(Duration::from_secs(1), self.conn.peek(1)).await;
        assert!(more.is_err(), "{}", self.conn.buffered().escape_ascii());
    }
}

/// Lets every other task run until all of them wait, in virtual time.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// The response, or a panic.
#[track_caller]
pub(crate) fn good(asked: Asked) -> impl Future<Output = Response<Body>> {
    let caller = std::panic::Location::caller();
    async move {
        let response = asked.await.expect("no panic");
        response.unwrap_or_else(|error| panic!("{error}, {caller}"))
    }
}

pub(crate) async fn bad(asked: Asked) -> ClientError {
    asked.await.expect("no panic").expect_err("this must not be a response")
}

/// The whole body, and its trailers.
pub(crate) async fn read(
    response: Response<Body>,
) -> Result<(Bytes, Option<HeaderMap>), BodyError> {
    let collected = response.into_body().collect().await?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let (body, _) = read(response).await.expect("a whole body");
    String::from_utf8(body.to_vec()).expect("text")
}

/// What feeds a body by hand.
pub(crate) type Feed = mpsc::UnboundedSender<Result<Frame<Bytes>, BodyError>>;

/// A body without a known length, and what feeds it. Ends when the feed is dropped.
pub(crate) fn by_hand() -> (Feed, Body) {
    let (feed, fed) = mpsc::unbounded_channel();
    (feed, Body::new(ByHand(fed)))
}

struct ByHand(mpsc::UnboundedReceiver<Result<Frame<Bytes>, BodyError>>);

impl HttpBody for ByHand {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx)
    }
}

pub(crate) fn piece(text: &'static str) -> Result<Frame<Bytes>, BodyError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}
