//! Requests in one line.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, Uri};

use super::{Client, ClientError, ClientErrorKind, Multipart, RequestTimeout, Via};
use crate::Body;

/// A request in the making; see [`Client::get`]. What is wrong with it is said when it is sent.
#[derive(Debug)]
#[must_use = "a request is sent by `send`"]
pub struct RequestBuilder<'a> {
    client: &'a Client,
    request: Result<Request<Body>, ClientError>,
}

impl Client {
    /// A GET of `url`.
    ///
    /// ```no_run
    /// use dipole_http::ResponseExt;
    ///
    /// # async fn run(client: dipole_http::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let response = client.get("http://127.0.0.1:8888/").header("accept", "text/plain").send().await?;
    /// let text = response.error_for_status()?.text().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::GET, url)
    }

    /// A HEAD of `url`.
    pub fn head(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::HEAD, url)
    }

    /// A POST to `url`.
    pub fn post(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::POST, url)
    }

    /// A PUT to `url`.
    pub fn put(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::PUT, url)
    }

    /// A PATCH of `url`.
    pub fn patch(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::PATCH, url)
    }

    /// A DELETE of `url`.
    pub fn delete(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::DELETE, url)
    }

    /// A request of any method to `url`: `http:`, `https:`, or `http+unix://%2Frun%2Fx.sock/path`,
    /// whose host is the path of a Unix socket with each slash as `%2F`.
    pub fn ask(&self, method: Method, url: &str) -> RequestBuilder<'_> {
        let request = asked(url).map(|(uri, via)| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            *request.uri_mut() = uri;
            if let Some(via) = via {
                request.extensions_mut().insert(via);
            }
            request
        });
        RequestBuilder { client: self, request }
    }
}

fn asked(url: &str) -> Result<(Uri, Option<Via>), ClientError> {
    let parse =
        |text: &str| text.parse::<Uri>().map_err(|error| wrong(format!("{url:?}: {error}")));
    match Via::split(url) {
        None => Ok((parse(url)?, None)),
        Some(split) => {
            let (via, inner) = split?;
            Ok((parse(&inner)?, Some(via)))
        }
    }
}

impl RequestBuilder<'_> {
    /// One header field more.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.change(|request| match (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            (Ok(name), Ok(value)) => {
                request.headers_mut().append(name, value);
                Ok(())
            }
            _ => Err(wrong(format!("{name:?} is not a header field"))),
        })
    }

    /// These header fields more.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.change(|request| {
            request.headers_mut().extend(headers);
            Ok(())
        })
    }

    /// A bearer token (RFC 6750), which logs are not shown.
    pub fn bearer_auth(self, token: &str) -> Self {
        self.change(|request| authorize(request, format!("Bearer {token}"), "the token is none"))
    }

    /// A user and password (RFC 7617), which logs are not shown. The user has no colon.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        self.change(|request| {
            if user.contains(':') {
                return Err(wrong("the user of basic authentication has no colon".to_owned()));
            }
            let value = BASE64_STANDARD.encode(format!("{user}:{password}"));
            authorize(request, format!("Basic {value}"), "the user or password is none")
        })
    }

    /// These pairs more in the URL's query, encoded as forms are.
    ///
    /// Anything that serde makes pairs of: a struct of plain fields, a map, a list of pairs.
    #[cfg(feature = "serde")]
    pub fn query<T: serde::Serialize + ?Sized>(self, pairs: &T) -> Self {
        self.change(|request| {
            let text = encode(pairs)?;
            if text.is_empty() {
                return Ok(());
            }
            let mut parts = request.uri().clone().into_parts();
            let old = parts.path_and_query.as_ref();
            let path = old.map_or("/", |old| old.path());
            let together = match old.and_then(|old| old.query()).filter(|query| !query.is_empty()) {
                Some(query) => format!("{path}?{query}&{text}"),
                None => format!("{path}?{text}"),
            };
            let changed =
                together.parse().map_err(|error| wrong(format!("{together}: {error}")))?;
            parts.path_and_query = Some(changed);
            *request.uri_mut() =
                Uri::from_parts(parts).map_err(|error| wrong(format!("{together}: {error}")))?;
            Ok(())
        })
    }

    /// A body of form fields, `application/x-www-form-urlencoded`.
    #[cfg(feature = "serde")]
    pub fn form<T: serde::Serialize + ?Sized>(self, pairs: &T) -> Self {
        self.change(|request| {
            let media_type = HeaderValue::from_static("application/x-www-form-urlencoded");
            set_body(request, media_type, encode(pairs)?.into());
            Ok(())
        })
    }

    /// A body in JSON. `Content-Type` is `application/json` unless the request has one.
    #[cfg(feature = "serde")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        self.change(|request| {
            let bytes = serde_json::to_vec(value)
                .map_err(|error| wrong(format!("the body cannot be written as JSON: {error}")))?;
            set_body(request, HeaderValue::from_static("application/json"), bytes.into());
            Ok(())
        })
    }

    /// A body that is a form of several parts.
    pub fn multipart(self, form: Multipart) -> Self {
        self.change(|request| {
            request.headers_mut().remove(CONTENT_TYPE);
            let media_type = form.content_type();
            set_body(request, media_type, form.into_body());
            Ok(())
        })
    }

    /// The body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.change(|request| {
            *request.body_mut() = body.into();
            Ok(())
        })
    }

    /// For all of it, in place of [`ClientConfig::request_timeout`](crate::ClientConfig).
    pub fn timeout(self, limit: Duration) -> Self {
        self.extension(RequestTimeout(limit))
    }

    /// Something for the client and its layers: [`Via`], say.
    pub fn extension<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.change(|request| {
            request.extensions_mut().insert(value);
            Ok(())
        })
    }

    /// The request, unsent.
    ///
    /// # Errors
    /// `Request` when the URL, a field or the body is none.
    pub fn build(self) -> Result<Request<Body>, ClientError> {
        self.request
    }

    /// Sends it; see [`Client::request`].
    ///
    /// # Errors
    /// As [`Client::request`]; `Request` when the URL, a field or the body is none.
    pub async fn send(self) -> Result<Response<Body>, ClientError> {
        self.client.request(self.request?).await
    }

    /// The first thing that is wrong stays.
    fn change(
        mut self,
        change: impl FnOnce(&mut Request<Body>) -> Result<(), ClientError>,
    ) -> Self {
        if let Ok(request) = &mut self.request
            && let Err(error) = change(request)
        {
            self.request = Err(error);
        }
        self
    }
}

fn authorize(
    request: &mut Request<Body>,
    value: String,
    what: &'static str,
) -> Result<(), ClientError> {
    let mut value = HeaderValue::try_from(value).map_err(|_| wrong(what.to_owned()))?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

fn set_body(request: &mut Request<Body>, media_type: HeaderValue, body: Body) {
    request.headers_mut().entry(CONTENT_TYPE).or_insert(media_type);
    *request.body_mut() = body;
}

#[cfg(feature = "serde")]
fn encode<T: serde::Serialize + ?Sized>(pairs: &T) -> Result<String, ClientError> {
    serde_urlencoded::to_string(pairs)
        .map_err(|error| wrong(format!("the pairs cannot be written as a form: {error}")))
}

fn wrong(message: String) -> ClientError {
    ClientError::new(ClientErrorKind::Request, message)
}
