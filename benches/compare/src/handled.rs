//! A request for each answer of a bare loop, with its field map, given to a handler whose response
//! is dropped: what the types of the crate `http` and a handler cost, without a server around them.
//!
//! What is sent is canned all the same, and the body that the handler of an echo is given is there
//! already, for free.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use crate::canned::Asked;
use crate::work::Work;

/// What is posted, or as much.
const ECHO: &[u8] = &[b'x'; 4096];

/// Each request goes through the handler.
pub struct Handled<H> {
    handler: H,
    /// What `wrk` sends: a copy of it is the cheapest way to a request's field map.
    fields: HeaderMap,
    fields_of_echo: HeaderMap,
}

impl<H> Handled<H> {
    pub fn new(handler: H) -> Self {
        let mut fields = HeaderMap::with_capacity(1);
        fields.insert(HOST, shared("127.0.0.1:8888"));
        let mut fields_of_echo = HeaderMap::with_capacity(2);
        fields_of_echo.insert(HOST, shared("127.0.0.1:8888"));
        fields_of_echo.insert(CONTENT_LENGTH, shared("4096"));
        Self { handler, fields, fields_of_echo }
    }
}

/// A value that is a part of some buffer, as what has come from a network is.
fn shared(text: &str) -> HeaderValue {
    let buffer = Bytes::copy_from_slice(text.as_bytes());
    HeaderValue::from_maybe_shared(buffer).expect("it is one")
}

impl<H, F> Work for Handled<H>
where
    H: FnMut(Request<Full<Bytes>>) -> F,
    F: Future,
{
    fn request(&mut self, asked: Asked<'_>) {
        let (method, target, body) = match asked {
            Asked::Hello => (Method::GET, "/", Bytes::new()),
            Asked::Echo(_) => (Method::POST, "/echo", Bytes::from_static(ECHO)),
            Asked::Mebibyte => (Method::GET, "/1m", Bytes::new()),
            Asked::Unknown => (Method::GET, "/unknown", Bytes::new()),
        };
        let fields = if method == Method::POST { &self.fields_of_echo } else { &self.fields };
        let mut request = Request::new(Full::new(body));
        *request.headers_mut() = fields.clone();
        *request.method_mut() = method;
        if target != "/" {
            *request.uri_mut() = Uri::from_static(target);
        }
        let handled = pin!((self.handler)(black_box(request)));
        match handled.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => drop(black_box(response)),
            Poll::Pending => unreachable!("the whole body is there"),
        }
    }
}
