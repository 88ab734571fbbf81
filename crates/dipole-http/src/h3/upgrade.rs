//! What `hyper::upgrade::on` gives, for a stream of HTTP/3.
//!
//! Only hyper can make it, and only of an HTTP/1.1 connection of its own that switches. So there is
//! one: its client sends one request, of two lines, and takes the answer; from the switch on, what it
//! carries is the data of the stream. Nothing is copied between the two, and no task stands there:
//! the connection that hyper then hands out reads and writes the stream itself.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use dipole_net::StreamConn;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;

use super::codec::code;
use super::reading::{Ends, ReadFault, Reading};
use super::writing::Writing;
use crate::Body;

/// What hyper is asked.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h3\r\n\r\n";
/// How its answer's head ends.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Data of one frame at most, in bytes.
const MOST_AT_ONCE: usize = 16 * 1024;

/// hyper's connection that is to switch. Dropped before, whoever waits for the upgrade gets an error.
pub(crate) struct Switch {
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
    agree: oneshot::Sender<()>,
    shared: Arc<Mutex<Shared>>,
}

/// A request's stream, both ways.
pub(crate) struct Tunnel {
    pub(crate) conn: Arc<dyn StreamConn>,
    pub(crate) reading: Reading,
    pub(crate) writing: Writing,
    /// Dropped with the tunnel.
    pub(crate) _guard: Option<Box<dyn Send>>,
}

/// Where the stream is.
enum Shared {
    /// Still with HTTP/3; who waits for it to read, and to write.
    Waiting([Option<Waker>; 2]),
    Open {
        tunnel: Box<Tunnel>,
        /// Read, and not taken yet.
        held: Bytes,
        /// Gets the sending half back when the upgraded connection is dropped.
        ended: oneshot::Sender<Writing>,
    },
    Over,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Switch {
    /// Asks hyper. `None` where it does not play along.
    pub(crate) fn new() -> Option<(Self, OnUpgrade)> {
        let shared = Arc::new(Mutex::new(Shared::Waiting([None, None])));
        let io = Io { shared: Arc::clone(&shared), asked: 0, answer_end: 0 };
        let (agree, agreed) = oneshot::channel();
        let agreed = Mutex::new(Some(agreed));
        let made = Arc::new(Mutex::new(None));
        let place = Arc::clone(&made);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let on_upgrade = hyper::upgrade::on(&mut request);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(on_upgrade);
            let agreed = agreed.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                if let Some(agreed) = agreed {
                    // An end without consent drops the connection, and this with it.
                    let _ = agreed.await;
                }
                Ok::<_, Infallible>(switching())
            }
        });
        let mut builder = Builder::new();
        builder.header_read_timeout(None);
        let connection = builder.serve_connection(io, service).with_upgrades();
        let mut connection: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a tunnel was not made");
            }
        });
        // The request is there, so this takes it to the service.
        let polled = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let on_upgrade = made.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (polled, on_upgrade) {
            (Poll::Pending, Some(on_upgrade)) => {
                Some((Self { connection, agree, shared }, on_upgrade))
            }
            _ => None,
        }
    }

    /// Hands the stream out. What this gives is ready with the sending half, which has then ended as
    /// far as that was possible, when the upgraded connection has been dropped.
    pub(crate) async fn open(self, tunnel: Tunnel) -> oneshot::Receiver<Writing> {
        let (ended, has_ended) = oneshot::channel();
        let _ = self.agree.send(());
        self.connection.await;
        let open = Shared::Open { tunnel: Box::new(tunnel), held: Bytes::new(), ended };
        let mut shared = lock(&self.shared);
        // Nobody has waited for it: it is over already.
        if let Shared::Waiting(wakers) = &mut *shared {
            let wakers = std::mem::take(wakers);
            *shared = open;
            drop(shared);
            wakers.into_iter().flatten().for_each(Waker::wake);
        } else {
            drop(shared);
            close(open);
        }
        has_ended
    }
}

fn switching() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("h3"));
    response
}

/// Ends a stream in order, as dropping a TCP connection would; where what was written cannot be
/// sent, it is broken off.
fn close(shared: Shared) {
    let Shared::Open { tunnel, ended, .. } = shared else { return };
    let mut tunnel = *tunnel;
    let _ = tunnel.writing.poll_end(&mut Context::from_waker(Waker::noop()));
    if !tunnel.reading.is_over() {
        tunnel.reading.cancel(code::NO_ERROR);
    }
    // Where nobody asks for it, it is dropped.
    let _ = ended.send(tunnel.writing);
}

/// The connection that hyper has, and hands out.
struct Io {
    shared: Arc<Mutex<Shared>>,
    /// How much hyper has read of the request.
    asked: usize,
    /// How much of the end of its answer's head hyper has written; behind it comes what is written
    /// to the stream.
    answer_end: usize,
}

const TO_READ: usize = 0;
const TO_WRITE: usize = 1;

impl Io {
    /// The stream, once it is there.
    fn poll_tunnel<T>(
        &self,
        what_for: usize,
        cx: &mut Context<'_>,
        then: impl FnOnce(&mut Tunnel, &mut Bytes, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *lock(&self.shared) {
            Shared::Waiting(wakers) => {
                wakers[what_for] = Some(cx.waker().clone());
                Poll::Pending
            }
            Shared::Open { tunnel, held, .. } => then(tunnel, held, cx),
            Shared::Over => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Takes what of `data` belongs to hyper's answer, which nobody is sent.
    fn swallow(&mut self, data: &[u8]) -> usize {
        let mut taken = 0;
        while self.answer_end < HEAD_END.len()
            && let Some(byte) = data.get(taken)
        {
            taken += 1;
            self.answer_end = match *byte {
                byte if byte == HEAD_END[self.answer_end] => self.answer_end + 1,
                b'\r' => 1,
                _ => 0,
            };
        }
        taken
    }
}

impl Tunnel {
    fn poll_fill(&mut self, held: &mut Bytes, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while held.is_empty() {
            match ready!(self.reading.poll_body(cx)) {
                Ok(Some(frame)) => *held = frame.into_data().unwrap_or_default(),
                Ok(None) => break,
                Err(fault) => return Poll::Ready(Err(self.fail(&fault))),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn fail(&mut self, fault: &ReadFault) -> io::Error {
        match fault.ends() {
            Ends::Connection(code) => self.conn.close_with_error(code, fault.text().as_bytes()),
            Ends::Message(code) => {
                self.reading.cancel(code);
                self.writing.cancel(code);
            }
            Ends::Nothing => {}
        }
        match fault {
            ReadFault::Network(error) => error.clone().into(),
            _ => io::Error::new(io::ErrorKind::InvalidData, fault.text()),
        }
    }
}

impl Read for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &REQUEST[self.asked..];
        if !rest.is_empty() {
            let taken = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..taken]);
            self.asked += taken;
            return Poll::Ready(Ok(()));
        }
        self.poll_tunnel(TO_READ, cx, |tunnel, held, cx| {
            ready!(tunnel.poll_fill(held, cx))?;
            let taken = held.len().min(buffer.remaining());
            buffer.put_slice(&held[..taken]);
            held.advance(taken);
            Poll::Ready(Ok(()))
        })
    }
}

impl Write for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let swallowed = self.swallow(data);
        if swallowed > 0 || data.is_empty() {
            return Poll::Ready(Ok(swallowed));
        }
        self.poll_tunnel(TO_WRITE, cx, |tunnel, _, cx| {
            let writing = &mut tunnel.writing;
            if writing.is_full() {
                ready!(writing.poll_flush(cx))?;
            }
            let taken = data.len().min(MOST_AT_ONCE);
            writing.data(Bytes::copy_from_slice(&data[..taken]));
            // At once, for protocols that are at home on TCP do not always flush. What cannot be
            // sent, or why, a later write or flush says.
            let _ = writing.poll_flush(cx);
            Poll::Ready(Ok(taken))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answer_end < HEAD_END.len() {
            return Poll::Ready(Ok(()));
        }
        let is_waiting = matches!(&*lock(&self.shared), Shared::Waiting(_));
        if is_waiting {
            // hyper flushes its answer; nothing is written behind it before the stream is there.
            return Poll::Ready(Ok(()));
        }
        self.poll_tunnel(TO_WRITE, cx, |tunnel, _, cx| {
            tunnel.writing.poll_flush(cx).map_err(Into::into)
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_tunnel(TO_WRITE, cx, |tunnel, _, cx| {
            tunnel.writing.poll_end(cx).map_err(Into::into)
        })
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        let shared = std::mem::replace(&mut *lock(&self.shared), Shared::Over);
        close(shared);
    }
}
