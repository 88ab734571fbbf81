//! `bare`, which also makes a request with its field map, calls the handler of the others, and drops
//! what it answers: the price of the types of the crate `http`, and of the handler. A request's body
//! is there already, for free.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use crate::scenario::ECHO;
use crate::{Prepared, Scenario, bare, handler};

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    prepare_with(scenario, batches, || handler::answer)
}

/// The same with another handler.
pub(crate) fn prepare_with<H, F>(
    scenario: Scenario,
    batches: usize,
    handler: impl Fn() -> H,
) -> Prepared
where
    H: FnMut(Request<Full<Bytes>>) -> F + Send + 'static,
    F: Future,
{
    let fields = fields_of(scenario);
    let work = || {
        let (fields, mut handler) = (fields.clone(), handler());
        move || handle(request(scenario, &fields), &mut handler)
    };
    bare::prepare_with(scenario, batches, work)
}

/// The fields of the scenario's requests, as parts of a buffer: as what has come from a network is.
fn fields_of(scenario: Scenario) -> HeaderMap {
    let request = scenario.batch();
    let text = std::str::from_utf8(&request).expect("the scenarios are text");
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let mut fields = HeaderMap::with_capacity(head.lines().count() - 1);
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").expect("a field line");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = request.slice_ref(value.as_bytes());
        fields.append(name, HeaderValue::from_maybe_shared(value).expect("a value"));
    }
    fields
}

/// A copy of a map that is there is the cheapest way to a request's field map.
fn request(scenario: Scenario, fields: &HeaderMap) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.headers_mut() = fields.clone();
    if scenario == Scenario::Post {
        *request.body_mut() = Full::new(Bytes::from_static(ECHO));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/echo");
    }
    request
}

fn handle<F: Future>(
    request: Request<Full<Bytes>>,
    handler: &mut impl FnMut(Request<Full<Bytes>>) -> F,
) {
    let handled = pin!(handler(black_box(request)));
    match handled.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => drop(black_box(response)),
        Poll::Pending => unreachable!("the whole body is there"),
    }
}
