//! A request that may turn its connection into something else, by hyper.
//!
//! What `hyper::upgrade::on` gives can be made by hyper alone, so such a request goes out on hyper's
//! HTTP/1.1 connection, over the adapter to its I/O traits.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipole_io::AsyncConn;
use dipole_net::{Conn, Error, ErrorKind};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, Uri, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::Builder;

use super::exchange::{Ask, Fault, FaultKind};
use super::patience::Patience;
use super::sending::{SendFault, Sending};
use crate::h1::codec::encode::Framing;
use crate::{Body, BodyError, BoxError, ConnectionReport};

/// Sends a request on `conn`, a connection of the library `network` which is its alone. `held` is dropped with the connection, whatever
/// that has become.
pub(crate) async fn upgrade(
    conn: Box<dyn Conn>,
    network: &'static str,
    ask: &Ask<'_>,
    sending: Sending,
    held: impl Send + Unpin + 'static,
) -> Result<Response<Body>, Fault> {
    let request = request(ask, sending).map_err(fault)?;
    let mut builder = Builder::new();
    builder
        .max_headers(ask.limits.head.max_fields)
        // hyper's least.
        .max_buf_size(ask.limits.head.max_head_bytes.max(8192));
    let report = ask.wants_report.then(|| ConnectionReport::of(&*conn, network));
    let io = Io { conn: AsyncConn::new(conn), _held: held };
    let begun = builder.handshake(io).await;
    let (mut sender, connection) = begun.map_err(|error| fault(sort(error)))?;
    // It ends with the response's body, or with the upgrade.
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request);
    let came = match ask.limits.response_timeout {
        None => response.await,
        Some(limit) => match tokio::time::timeout(limit, response).await {
            Ok(came) => came,
            Err(_) => return Err(fault(FaultKind::TimedOut)),
        },
    };
    let mut response = came.map_err(|error| fault(sort(error)))?;
    if let Some(report) = report {
        response.extensions_mut().insert(report);
    }
    let body_timeout = ask.limits.body_timeout;
    Ok(response.map(|incoming| {
        if incoming.is_end_stream() {
            Body::empty()
        } else {
            Body::new(Receiving { incoming, patience: Patience::new(body_timeout) })
        }
    }))
}

fn fault(kind: FaultKind) -> Fault {
    Fault { kind, is_answered: false }
}

fn sort(error: hyper::Error) -> FaultKind {
    if error.is_parse() {
        return FaultKind::Unreadable(error.into());
    }
    if error.is_user() {
        return FaultKind::Body(error.into());
    }
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    let network = source.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref());
    FaultKind::Connection(network.cloned().unwrap_or_else(|| Error::new(ErrorKind::Eof)))
}

fn request(ask: &Ask<'_>, sending: Sending) -> Result<Request<Outgoing>, FaultKind> {
    let Ask { method, target, host, headers, .. } = *ask;
    let mut request = Request::new(Outgoing { sending });
    *request.method_mut() = method.clone();
    *request.uri_mut() = Uri::try_from(target).map_err(|_| FaultKind::Target)?;
    *request.version_mut() = Version::HTTP_11;
    let fields = request.headers_mut();
    // RFC 9110 7.2: Host should be the first field.
    let host = HeaderValue::from_bytes(host).map_err(|_| FaultKind::Target)?;
    fields.insert(header::HOST, host.clone());
    fields.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    fields.insert(header::HOST, host);
    fields.remove(header::CONTENT_LENGTH);
    fields.remove(header::TRANSFER_ENCODING);
    if *method != Method::CONNECT && !fields.contains_key(header::CONNECTION) {
        // RFC 9110 7.8: whoever sends Upgrade says so.
        fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Ok(request)
}

/// The request's body as hyper takes it.
struct Outgoing {
    sending: Sending,
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(self.sending.poll_frame(cx));
        Poll::Ready(frame.transpose().map(|frame| {
            frame.map_err(|fault| match fault {
                SendFault::Body(error) => error,
                SendFault::Connection(error) => error.into(),
                SendFault::Length => BodyError::Cancelled.into(),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.sending.framing() == Framing::Unsaid
    }

    fn size_hint(&self) -> SizeHint {
        match self.sending.framing() {
            Framing::Unsaid => SizeHint::with_exact(0),
            Framing::Length(length) => SizeHint::with_exact(length),
            Framing::Chunked => SizeHint::default(),
        }
    }
}

/// The body of a response that has upgraded nothing.
struct Receiving {
    incoming: Incoming,
    patience: Patience,
}

impl HttpBody for Receiving {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            ready!(self.patience.poll_over(cx));
            return Poll::Ready(Some(Err(BodyError::TimedOut)));
        };
        self.patience.renew();
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| match sort(error) {
                FaultKind::Connection(error) => BodyError::Connection(error),
                _ => BodyError::Malformed("the body's framing is broken"),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// A connection for hyper, and what goes with it.
struct Io<H> {
    conn: AsyncConn<Box<dyn Conn>>,
    _held: H,
}

impl<H: Unpin> hyper::rt::Read for Io<H> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        hyper::rt::Read::poll_read(Pin::new(&mut self.get_mut().conn), cx, buffer)
    }
}

impl<H: Unpin> hyper::rt::Write for Io<H> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        hyper::rt::Write::poll_write(Pin::new(&mut self.get_mut().conn), cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_flush(Pin::new(&mut self.get_mut().conn), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_shutdown(Pin::new(&mut self.get_mut().conn), cx)
    }
}
