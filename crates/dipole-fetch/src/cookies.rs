//! Cookies (RFC 6265), by the crate `cookie_store`.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cookie_store::{CookieStore, RawCookie};
use dipole_http::{Body, SendRequest};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Uri};
use tower_layer::Layer;
use url::Url;

use crate::around::{Around, Below, Outcome, Rules};

/// The largest cookie that is kept, in bytes (RFC 6265 section 6.1).
const MAX_COOKIE: usize = 4096;

/// Keeps the cookies that servers set, and sends each back to where it belongs.
///
/// Clones share them, and nothing of them is written anywhere. A request that has `Cookie` already
/// is left alone.
///
/// No server sets a cookie for a whole top-level domain, such as `com`. That `co.uk` is as public, and
/// `github.io`, only the list of <https://publicsuffix.org> knows: give it by `public_suffixes`
/// (feature `public-suffixes`), or have a store for each trust that you put into servers. The list changes
/// each week, so it is not a part of this crate.
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

    /// Takes no cookie for a public suffix, such as `co.uk`, by which one site could set cookies of
    /// another's. `list` is the text of <https://publicsuffix.org/list/public_suffix_list.dat>; both of
    /// its parts count. It holds for all clones, and for cookies that are set from now on.
    ///
    /// # Errors
    /// It is no such list.
    #[cfg(feature = "public-suffixes")]
    pub fn public_suffixes(self, list: &str) -> Result<Self, dipole_http::BoxError> {
        let list = list.parse::<publicsuffix::List>().map_err(|error| error.to_string())?;
        let mut store = self.lock();
        *store = std::mem::take(&mut *store).with_suffix_list(list);
        drop(store);
        Ok(self)
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
            let Ok(mut cookie) = RawCookie::parse(text.to_owned()) else { continue };
            let is_full = store.iter_any().count() >= self.most;
            if text.len() > MAX_COOKIE || is_full || !may_set(&mut cookie, url) {
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
    type Service = Around<S, Self>;

    fn layer(&self, service: S) -> Around<S, Self> {
        Around::new(service, self.clone())
    }
}

impl Rules for Cookies {
    async fn carry<S: SendRequest>(
        self,
        mut request: Request<Body>,
        mut below: Below<S>,
    ) -> Outcome {
        let url = url_of(request.uri());
        if let Some(url) = &url
            && !request.headers().contains_key(COOKIE)
            && let Some(value) = self.value_for(url)
        {
            request.headers_mut().insert(COOKIE, value);
        }
        let response = below.send(request).await?;
        if let Some(url) = &url {
            self.take(url, response.headers());
        }
        Ok(response)
    }
}

/// Whether a server at `url` may set `cookie` for the domain that it names, as far as that can be
/// said without a list: not for a whole top-level domain. One for its own host alone becomes a
/// cookie of the host (RFC 6265 section 5.3, step 5).
fn may_set(cookie: &mut RawCookie<'_>, url: &Url) -> bool {
    let Some(domain) = cookie.domain().filter(|domain| !domain.is_empty()) else { return true };
    // `com.` is `com`, and no list says so.
    if domain.ends_with('.') {
        return false;
    }
    if domain.contains('.') {
        return true;
    }
    let is_own = url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(domain));
    cookie.unset_domain();
    is_own
}

fn url_of(uri: &Uri) -> Option<Url> {
    Url::parse(&uri.to_string()).ok()
}
