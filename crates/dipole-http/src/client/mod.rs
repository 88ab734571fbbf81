//! The client: requests over kept connections, on any network library.
//!
//! | part | what it is |
//! |---|---|
//! | [`send`] | the way of one request |
//! | [`route`] | where a request goes |
//! | [`connect`] | a new connection: dialled, secured, and what it speaks |
//! | [`race`] | HTTP/3 beside the other versions |
//! | [`alt_svc`] | where else an origin can be reached |
//! | [`service_records`] | what DNS says of that |
//! | [`pool`] | connections, kept and shared |
//! | [`request_builder`] | requests in one line |
//! | [`response_ext`] | responses in one line |
//! | [`multipart`] | forms of several parts |
//! | [`layered`] | layers around a client |
//! | [`via`], [`forwarding`] | other ways than the URI's |
//! | [`report`] | what a response came over |
//! | [`hurry`] | the deadline of a whole request |

mod alt_svc;
mod builder;
mod config;
mod connect;
mod error;
mod forwarding;
mod hurry;
mod layered;
mod multipart;
mod pool;
mod race;
mod report;
mod request_builder;
mod response_ext;
mod route;
mod send;
mod service_records;
mod usage;
mod via;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_net::Addr;
use http::{Request, Response};
use http_body::Body as HttpBody;

pub use self::builder::ClientBuilder;
pub use self::config::{ClientConfig, ProtocolChoice};
use self::connect::Connector;
pub use self::error::{ClientError, ClientErrorKind, Deadline};
pub use self::forwarding::Forwarding;
pub use self::layered::{ClientService, SendRequest};
pub use self::multipart::Multipart;
use self::pool::Pool;
use self::race::Http3;
pub use self::report::{ConnectionReport, ReportConnection};
pub use self::request_builder::RequestBuilder;
pub use self::response_ext::{BodyStream, DEFAULT_BODY_LIMIT, ReadError, ResponseExt, StatusError};
pub use self::service_records::{ServiceRecord, ServiceRecords};
pub(crate) use self::usage::Usage;
pub use self::via::Via;
use crate::h1::client::{Limits, Sending};
use crate::{Body, BoxError};

/// An HTTP client on one network library: HTTP/1.1 and HTTP/2, with TLS where it is given a layer,
/// and HTTP/3 where it is given a library of streams beside it.
/// Cheap to clone; clones share their connections.
///
/// With HTTP/1.1 a request is driven by its future, and its response by whoever reads the body:
/// nothing runs besides. A connection is kept for the next request once a response has been read to
/// its end, so read bodies, also those you have no use for. A response that is dropped before closes
/// its connection, and ends the sending of its request. With HTTP/2 requests share a connection,
/// which has a task on the runtime that the request ran on which needed it; a response that is
/// dropped before its end resets its stream alone.
///
/// A response may come before its request has been sent whole; with HTTP/1.1 and HTTP/3 what is left
/// of the request is then sent while the response's body is polled. HTTP/3 connections are shared
/// and have a task, as those of HTTP/2.
///
/// ```no_run
/// use dipole_http::{Body, Client};
/// # use dipole_tokio::Tokio;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder().with_dialer(Tokio::new()).build();
/// let request = http::Request::get("http://127.0.0.1:8888/").body(Body::empty())?;
/// let response = client.request(request).await?;
/// assert!(response.status().is_success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// What is around the core; `None` without layers.
    service: Option<ClientService>,
}

/// For all of one request, from its beginning to the end of its response's body, in place of
/// [`ClientConfig::request_timeout`]: an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTimeout(pub Duration);

struct Inner {
    connector: Connector,
    /// `None` where no library of streams was given.
    http3: Option<Http3>,
    config: ClientConfig,
    limits: Limits,
    pool: Pool,
    /// Where every request goes, whatever its URI.
    only: Option<Addr>,
    /// Where plain requests go; `None` is to their host.
    forwarding: Option<Forwarding>,
}

impl Client {
    /// A client to be described; it needs a dialer at least.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// This machine's network has changed: forgets what servers have said of their HTTP/3, but for
    /// what they say persists (RFC 7838 section 2.2), and what of it has failed.
    pub fn network_changed(&self) {
        if let Some(http3) = &self.inner.http3 {
            http3.network_changed();
        }
    }

    /// Sends a request and gives its response as soon as the head has come.
    ///
    /// The URI is `http://HOST[:PORT]/PATH`, or `https:`. `Host` comes from it unless the request
    /// has one; `Content-Length` and `Transfer-Encoding` come from the body. With `Expect:
    /// 100-continue` the body waits for the server's consent, or for
    /// [`ClientConfig::continue_timeout`].
    ///
    /// A request that cannot have reached the server is sent again: one that an HTTP/2 server has
    /// refused, or did not look at before it went; and one of an idempotent method (RFC 9110
    /// section 9.2.2) that went out on a kept connection which the server was just closing. Its
    /// body has to be empty for that, or of at most 64 KiB so far.
    ///
    /// A request with `Upgrade`, and CONNECT, has a connection of its own; when the server agrees,
    /// `hyper::upgrade::on` gives what it has become. CONNECT with the extension
    /// `hyper::ext::Protocol` goes over HTTP/2 (RFC 8441), and its response to the same function.
    ///
    /// # Errors
    /// See [`ClientErrorKind`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection, or resets the stream; the server may have acted
    /// on the request.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn request<B>(&self, request: Request<B>) -> Result<Response<Body>, ClientError>
    where
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let own = request.extensions().get::<RequestTimeout>().map(|limit| limit.0);
        let limit = own.or(self.inner.config.request_timeout);
        if let Some(service) = &self.service {
            let host = request.uri().host().map(str::to_owned);
            let sent = service.send(request.map(Body::wrap));
            return match limit {
                None => sent.await,
                Some(limit) => hurry::within(limit, sent, host.as_deref()).await,
            };
        }
        let (parts, body) = request.into_parts();
        let sent = self.inner.send(&parts, Sending::new(body));
        match limit {
            None => sent.await,
            Some(limit) => hurry::within(limit, sent, parts.uri.host()).await,
        }
    }
}

impl<B> tower_service::Service<Request<B>> for Client
where
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ClientError>> + Send>>;

    /// Always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.request(request).await })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
