//! The floor of whoever serves with the types of the crate `http`: the bare epoll loop, which also
//! makes a request with its field map, calls the handler that hyper's and Dipole's servers have, and
//! drops what it answers. What is sent is canned all the same.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use compare::canned::Asked;
use compare::epoll_loop::{self, Work};
use compare::handler;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

fn main() -> std::io::Result<()> {
    epoll_loop::serve(Handled::new(), "bare_http")
}

/// Each request goes through the handler.
struct Handled {
    /// What `wrk` sends: a copy of it is the cheapest way to a request's field map.
    fields: HeaderMap,
    fields_of_echo: HeaderMap,
}

impl Handled {
    fn new() -> Self {
        let mut fields = HeaderMap::with_capacity(1);
        fields.insert(HOST, shared("127.0.0.1:8888"));
        let mut fields_of_echo = HeaderMap::with_capacity(2);
        fields_of_echo.insert(HOST, shared("127.0.0.1:8888"));
        fields_of_echo.insert(CONTENT_LENGTH, shared("4096"));
        Self { fields, fields_of_echo }
    }
}

/// A value that is a part of some buffer, as what has come from a network is.
fn shared(text: &str) -> HeaderValue {
    let buffer = Bytes::copy_from_slice(text.as_bytes());
    HeaderValue::from_maybe_shared(buffer).expect("it is one")
}

impl Work for Handled {
    fn request(&mut self, asked: Asked<'_>) {
        let (method, target, body) = match asked {
            Asked::Hello => (Method::GET, "/", Bytes::new()),
            Asked::Echo(body) => (Method::POST, "/echo", Bytes::copy_from_slice(body)),
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
        let handled = pin!(handler::answer(black_box(request)));
        match handled.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(response) => drop(black_box(response)),
            Poll::Pending => unreachable!("the whole body is there"),
        }
    }
}
