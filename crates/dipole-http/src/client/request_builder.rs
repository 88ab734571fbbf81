//! Requests in one line.

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, Uri};

use super::{Client, ClientError, ClientErrorKind};
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
    /// # async fn run(client: dipole_http::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let response = client.get("http://127.0.0.1:8888/").header("accept", "text/plain").send().await?;
    /// let text = response.into_body().into_bytes(64 * 1024).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::GET, url)
    }

    /// A POST to `url`.
    pub fn post(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::POST, url)
    }

    /// A PUT to `url`.
    pub fn put(&self, url: &str) -> RequestBuilder<'_> {
        self.ask(Method::PUT, url)
    }

    /// A request of any method to `url`.
    pub fn ask(&self, method: Method, url: &str) -> RequestBuilder<'_> {
        let request = url.parse::<Uri>().map_err(|error| wrong(format!("{url:?}: {error}")));
        let request = request.map(|uri| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            *request.uri_mut() = uri;
            request
        });
        RequestBuilder { client: self, request }
    }
}

impl RequestBuilder<'_> {
    /// One header field more.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(request) = &mut self.request {
            match (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
                (Ok(name), Ok(value)) => {
                    request.headers_mut().append(name, value);
                }
                _ => self.request = Err(wrong(format!("{name:?} is not a header field"))),
            }
        }
        self
    }

    /// These header fields more.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        if let Ok(request) = &mut self.request {
            request.headers_mut().extend(headers);
        }
        self
    }

    /// A bearer token (RFC 6750), which logs are not shown.
    pub fn bearer_auth(mut self, token: &str) -> Self {
        if let Ok(request) = &mut self.request {
            match HeaderValue::try_from(format!("Bearer {token}")) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    request.headers_mut().insert(AUTHORIZATION, value);
                }
                Err(_) => self.request = Err(wrong("the token is none".to_owned())),
            }
        }
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        if let Ok(request) = &mut self.request {
            *request.body_mut() = body.into();
        }
        self
    }

    /// Sends it; see [`Client::request`].
    ///
    /// # Errors
    /// As [`Client::request`]; `Request` when the URL or a field is none.
    pub async fn send(self) -> Result<Response<Body>, ClientError> {
        self.client.request(self.request?).await
    }
}

fn wrong(message: String) -> ClientError {
    ClientError::new(ClientErrorKind::Request, message)
}
