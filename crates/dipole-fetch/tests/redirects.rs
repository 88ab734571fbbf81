//! Which request follows from a redirect, and which does not.

use std::sync::{Arc, Mutex};

use dipole_fetch::{Redirected, Redirects};
use dipole_http::{Body, ClientError, ClientErrorKind, Via};
use http::{Method, Request, Response, Uri};
use tower::{Layer as _, ServiceExt as _};

/// What the server was asked, as text.
type Seen = Arc<Mutex<Vec<String>>>;

/// Asks a server that answers `/N` with a redirect of status N to `location`, and all else with 200.
async fn ask(
    rules: Redirects,
    location: &'static str,
    request: Request<Body>,
) -> (Result<Response<Body>, ClientError>, Vec<String>) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let server = tower::service_fn(move |request: Request<Body>| {
        let noted = Arc::clone(&noted);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.into_bytes(1000).await.expect("a whole body");
            let mut text = format!("{} {}", parts.method, parts.uri);
            let fields = parts.headers.iter();
            let mut fields: Vec<_> = fields
                .map(|(name, value)| format!(" {name}={}", value.to_str().expect("text")))
                .collect();
            fields.sort();
            text += &fields.concat();
            if parts.extensions.get::<Via>().is_some() {
                text += " via";
            }
            text += &format!(" {}", String::from_utf8_lossy(&body));
            noted.lock().expect("no panic").push(text);
            let status = parts.uri.path().trim_start_matches('/').parse::<u16>().unwrap_or(200);
            let mut response = Response::builder().status(status);
            if status != 200 && !location.is_empty() {
                response = response.header("location", location);
            }
            Ok::<_, ClientError>(response.body(Body::from("moved")).expect("a response"))
        }
    });
    let outcome = rules.layer(server).oneshot(request).await;
    let seen = seen.lock().expect("no panic").clone();
    (outcome, seen)
}

fn request(method: Method, uri: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(uri).header("content-type", "text/plain");
    let request = request.header("authorization", "secret").header("host", "own");
    let mut request = request.header("cookie", "a=b").body(body.into()).expect("a request");
    request.extensions_mut().insert(Via("unix:/x".parse().expect("an address")));
    request
}

#[tokio::test]
async fn each_status_keeps_or_changes_the_method() {
    for (status, method, becomes) in [
        (301, Method::GET, "GET"),
        (301, Method::POST, "GET"),
        (302, Method::POST, "GET"),
        (301, Method::PUT, "PUT"),
        (302, Method::DELETE, "DELETE"),
        (303, Method::POST, "GET"),
        (303, Method::PUT, "GET"),
        (303, Method::HEAD, "HEAD"),
        (307, Method::POST, "POST"),
        (308, Method::POST, "POST"),
        (308, Method::GET, "GET"),
    ] {
        let keeps = method == *becomes || becomes == "HEAD";
        let asked = request(method.clone(), &format!("http://a/{status}"), "hello");
        let (outcome, seen) = ask(Redirects::default(), "/next", asked).await;
        let response = outcome.expect("it is followed");
        let redirected = response.extensions().get::<Redirected>().expect("it was redirected");
        assert_eq!(redirected.0, Uri::from_static("http://a/next"));
        let (field, body) = if keeps { ("content-type=text/plain ", "hello") } else { ("", "") };
        let expected = format!(
            "{becomes} http://a/next authorization=secret {field}cookie=a=b host=own via {body}"
        );
        assert_eq!(seen[1], expected, "{status} {method}");
        assert_eq!(seen.len(), 2);
    }
}

#[tokio::test]
async fn another_origin_is_told_no_secrets() {
    for (from, to) in [
        ("http://a/302", "http://b/x"),
        ("http://a/302", "https://a/x"),
        ("http://a/302", "http://a:81/x"),
        ("https://a/302", "//b/x"),
    ] {
        let (outcome, seen) = ask(Redirects::default(), to, request(Method::GET, from, "")).await;
        outcome.expect("it is followed");
        assert!(seen[1].ends_with("/x content-type=text/plain "), "{}", seen[1]);
    }
    for (from, to) in [("http://a/302", "http://A:80/x"), ("https://a:443/302", "//a/x")] {
        let (outcome, seen) = ask(Redirects::default(), to, request(Method::GET, from, "")).await;
        outcome.expect("it is followed");
        assert!(seen[1].contains("authorization=secret"), "{}", seen[1]);
    }
}

#[tokio::test]
async fn there_are_no_more_redirects_than_allowed() {
    for limit in [0, 1, 10] {
        let rules = Redirects::at_most(limit);
        let asked = request(Method::GET, "http://a/302", "");
        let (outcome, seen) = ask(rules, "http://a/302", asked).await;
        let error = outcome.expect_err("it goes round in circles");
        assert_eq!(error.kind(), ClientErrorKind::Redirect, "{error}");
        assert_eq!(seen.len(), limit + 1);
    }
}

#[tokio::test]
async fn what_cannot_be_followed_is_an_error_or_given_as_it_is() {
    let asked = || request(Method::GET, "https://a/302", "");
    let (outcome, _) = ask(Redirects::default(), "ftp://a/", asked()).await;
    assert_eq!(outcome.expect_err("no HTTP").kind(), ClientErrorKind::Redirect);
    let (outcome, seen) = ask(Redirects::default().refuse_downgrades(), "http://a/", asked()).await;
    assert_eq!(outcome.expect_err("no TLS").kind(), ClientErrorKind::Redirect);
    assert_eq!(seen.len(), 1);
    let (outcome, _) = ask(Redirects::default(), "", asked()).await;
    assert_eq!(outcome.expect("no location").status(), 302);
    let asked = request(Method::GET, "http://a/304", "");
    let (outcome, _) = ask(Redirects::default(), "/x", asked).await;
    assert_eq!(outcome.expect("no redirect").status(), 304);
}

/// A body that does not say ahead what it holds.
struct Stream(Option<&'static str>);

impl http_body::Body for Stream {
    type Data = bytes::Bytes;
    type Error = dipole_http::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, dipole_http::BodyError>>>
    {
        std::task::Poll::Ready(self.0.take().map(|text| Ok(http_body::Frame::data(text.into()))))
    }
}

#[tokio::test]
async fn a_streamed_body_is_not_sent_twice() {
    let stream = || Body::new(Stream(Some("hello")));
    let asked = request(Method::POST, "http://a/307", stream());
    let (outcome, seen) = ask(Redirects::default(), "/next", asked).await;
    assert_eq!(outcome.expect("the redirect itself").status(), 307);
    assert_eq!(seen.len(), 1);
    let asked = request(Method::POST, "http://a/303", stream());
    let (outcome, seen) = ask(Redirects::default(), "/next", asked).await;
    assert_eq!(outcome.expect("it needs no body").status(), 200);
    assert!(seen[1].starts_with("GET http://a/next"), "{}", seen[1]);
}
