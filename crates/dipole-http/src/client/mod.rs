//! The client: requests over kept connections, on any network library.

mod config;
mod error;
mod pool;
mod route;

use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dipole_net::{Addr, Conn, DialOptions, Dialer, Error, ErrorKind};
use http::{Request, Response};
use http_body::Body as HttpBody;

pub use self::config::ClientConfig;
pub use self::error::{ClientError, ClientErrorKind};
use self::pool::{Origin, Pool, Settings};
use self::route::Route;
use crate::h1::client::{Ask, Limits, Sending, exchange};
use crate::{Body, BoxError};

/// An HTTP/1.1 client on one network library. Cheap to clone; clones share their connections.
///
/// A request is driven by its future, and its response by whoever reads the body: nothing runs
/// besides. A connection is kept for the next request once a response has been read to its end,
/// so read bodies, also those you have no use for. A response that is dropped before closes its
/// connection, and ends the sending of its request.
///
/// A response may come before its request has been sent whole; what is left of the request is then
/// sent while the response's body is polled.
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
}

struct Inner {
    dialer: Arc<dyn Dialer>,
    config: ClientConfig,
    limits: Limits,
    pool: Pool,
    /// Where every request goes, whatever its URI.
    only: Option<Arc<Origin>>,
}

/// Makes a [`Client`]; see [`Client::builder`].
#[derive(Debug, Clone, Default)]
pub struct ClientBuilder<D = ()> {
    dialer: D,
    config: ClientConfig,
    only: Option<Addr>,
}

impl Client {
    /// A client to be described; it needs a dialer at least.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Sends a request and gives its response as soon as the head has come.
    ///
    /// The URI is `http://HOST[:PORT]/PATH`. `Host` comes from it unless the request has one;
    /// `Content-Length` and `Transfer-Encoding` come from the body. With `Expect: 100-continue` the
    /// body waits for the server's consent, or for [`ClientConfig::continue_timeout`].
    ///
    /// A request of an idempotent method (RFC 9110 section 9.2.2) that went out on a kept
    /// connection which the server was just closing is sent once more on a new one, if its body
    /// is empty or of at most 64 KiB so far.
    ///
    /// # Errors
    /// See [`ClientErrorKind`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the server may have acted on the request.
    pub async fn request<B>(&self, request: Request<B>) -> Result<Response<Body>, ClientError>
    where
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let route = Route::of(&parts)?;
        let origin = self.inner.origin(&route)?;
        let ask = Ask {
            method: &parts.method,
            target: &route.target,
            host: route.host,
            headers: &parts.headers,
            limits: &self.inner.limits,
        };
        let mut sending = Sending::new(body);
        if let Some(conn) = poll_fn(|cx| Poll::Ready(origin.take(cx))).await {
            let may_repeat = parts.method.is_idempotent();
            if may_repeat {
                sending.record();
            }
            match exchange(conn, &ask, &mut sending, &origin).await {
                // The server closed it while nothing was under way, and has seen nothing of this.
                Err(fault) if may_repeat && fault.is_gone() && sending.rewind() => {}
                other => return other.map_err(|fault| ClientError::of_fault(&origin.addr, fault)),
            }
        }
        let conn = self.inner.dial(&origin.addr).await?;
        let response = exchange(conn, &ask, &mut sending, &origin).await;
        response.map_err(|fault| ClientError::of_fault(&origin.addr, fault))
    }
}

impl Inner {
    fn origin(&self, route: &Route<'_>) -> Result<Arc<Origin>, ClientError> {
        match (&self.only, route.authority) {
            (Some(only), _) => Ok(Arc::clone(only)),
            (None, Some(authority)) => {
                Ok(self.pool.origin(authority.as_str(), || route::addr(authority)))
            }
            (None, None) => Err(ClientError::new(
                ClientErrorKind::Request,
                "the URI has no host; write http://HOST[:PORT]/PATH",
            )),
        }
    }

    async fn dial(&self, addr: &Addr) -> Result<Box<dyn Conn>, ClientError> {
        let mut options = DialOptions::default();
        options.timeout = self.config.dial_timeout;
        let dialled = self.dialer.dial_connection(addr, &options).await;
        let conn = dialled.and_then(|connection| {
            connection.into_bytes().ok_or_else(|| Error::new(ErrorKind::Unsupported))
        });
        let mut conn = conn.map_err(|error| ClientError::connect(addr, error))?;
        conn.set_write_timeout(self.config.write_timeout);
        Ok(conn)
    }
}

impl<D> ClientBuilder<D> {
    /// The network library that connects.
    #[must_use]
    pub fn with_dialer(self, dialer: impl Dialer + 'static) -> ClientBuilder<Arc<dyn Dialer>> {
        let Self { config, only, .. } = self;
        ClientBuilder { dialer: Arc::new(dialer), config, only }
    }

    /// Deadlines and limits.
    #[must_use]
    pub fn config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// Sends every request to the Unix socket at `path`; the URI's host is only told the server.
    #[must_use]
    pub fn unix_socket(self, path: impl Into<PathBuf>) -> Self {
        self.address(Addr::unix(path))
    }

    /// Sends every request to `addr`; the URI's host is only told the server.
    #[must_use]
    pub fn address(mut self, addr: impl Into<Addr>) -> Self {
        self.only = Some(addr.into());
        self
    }
}

impl ClientBuilder<Arc<dyn Dialer>> {
    /// The client. Connects nowhere yet.
    #[must_use]
    pub fn build(self) -> Client {
        let settings = Settings {
            max_idle: self.config.max_idle_per_host,
            idle_timeout: self.config.idle_timeout,
        };
        Client {
            inner: Arc::new(Inner {
                dialer: self.dialer,
                limits: self.config.limits(),
                config: self.config,
                pool: Pool::new(settings),
                only: self.only.map(|addr| Arc::new(Origin::new(addr, settings))),
            }),
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
