//! Cookies (RFC 6265), by the crate `cookie_store`.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use cookie_store::{CookieStore, RawCookie};
use dipole_http::{Body, ClientError};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

/// The largest cookie that is kept, in bytes (RFC 6265 section 6.1).
const MAX_COOKIE: usize = 4096;

/// Keeps the cookies that servers set, and sends each back to where it belongs.
///
/// Clones share them, and nothing of them is written anywhere. A request that has `Cookie` already
/// is left alone. There is no list of public suffixes: a server may set cookies for the whole of its top
/// level domain, so have a store for each trust that you put into servers.
#[derive(Clone)]
pub struct Cookies {
    store: Arc<Mutex<CookieStore>>,
    most: usize,
}

impl Default for Cookies {
    /// At most 3,000 cookies.
    fn default() -> Self {
        Self::at_most(3000)
    }
}

impl Cookies {
    /// No cookies yet, and at most `most` ever; beyond that new ones are not taken.
    #[must_use]
    pub fn at_most(most: usize) -> Self {
        Self { store: Arc::default(), most }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().iter_unexpired().count()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, CookieStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of `Cookie` for a request to `url`; `None` when there is none to send.
    fn value_for(&self, url: &Url) -> Option<HeaderValue> {
        let store = self.lock();
        let pairs: Vec<_> =
            store.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() {
            return None;
        }
        let mut value = HeaderValue::try_from(pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn take(&self, url: &Url, headers: &HeaderMap) {
        let mut store = self.lock();
        for value in headers.get_all(SET_COOKIE) {
            let Ok(text) = value.to_str() else { continue };
            let Ok(cookie) = RawCookie::parse(text.to_owned()) else { continue };
            let is_full = store.iter_any().count() >= self.most;
            if text.len() > MAX_COOKIE || is_full {
                continue;
            }
            // A cookie of another domain, say: RFC 6265 5.3 has it ignored.
            let _ = store.insert_raw(&cookie, url);
        }
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Cookies {
    type Service = StoringCookies<S>;

    fn layer(&self, service: S) -> StoringCookies<S> {
        StoringCookies { service, cookies: self.clone() }
    }
}

/// A client that keeps cookies; see [`Cookies`].
#[derive(Debug, Clone)]
pub struct StoringCookies<S> {
    service: S,
    cookies: Cookies,
}

impl<S> Service<Request<Body>> for StoringCookies<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = ClientError> + Clone + Send,
    S: 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ClientError>> + Send>>;

    /// Always ready: the service is waited for with the request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (mut service, cookies) = (self.service.clone(), self.cookies.clone());
        Box::pin(async move {
            let url = url_of(request.uri());
            if let Some(url) = &url
                && !request.headers().contains_key(COOKIE)
                && let Some(value) = cookies.value_for(url)
            {
                request.headers_mut().insert(COOKIE, value);
            }
            poll_fn(|cx| service.poll_ready(cx)).await?;
            let response = service.call(request).await?;
            if let Some(url) = &url {
                cookies.take(url, response.headers());
            }
            Ok(response)
        })
    }
}

fn url_of(uri: &Uri) -> Option<Url> {
    Url::parse(&uri.to_string()).ok()
}
