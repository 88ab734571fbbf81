//! The four forms of a request target, and `Host` (RFC 9112 section 3.2).

use dipole_http::{Body, HttpService};
use http::{Request, Response, StatusCode, header};

use crate::support::{Site, handler, text};

/// Answers with the parts of the target.
fn parts() -> impl HttpService {
    handler(async |request: Request<Body>| {
        let uri = request.uri();
        let host = request.headers().get(header::HOST);
        text(format!(
            "{} {:?} {:?} {:?} {:?} host {:?}",
            request.method(),
            uri.scheme_str(),
            uri.authority().map(|authority| authority.as_str()),
            uri.path(),
            uri.query(),
            host.map(|host| host.to_str().expect("ASCII")),
        ))
    })
}

#[tokio::test(start_paused = true)]
async fn each_form_reaches_the_handler_in_its_parts() {
    let site = Site::new(parts());
    let mut peer = site.connect().await;
    for (line, expected) in [
        ("GET /a/b?c=d&e", r#"GET None None "/a/b" Some("c=d&e") host Some("x")"#),
        ("GET /%20//..?", r#"GET None None "/%20//.." Some("") host Some("x")"#),
        (
            "GET http://example.org:8080/a?b",
            r#"GET Some("http") Some("example.org:8080") "/a" Some("b") host Some("x")"#,
        ),
        ("POST https://[::1]/", r#"POST Some("https") Some("[::1]") "/" None host Some("x")"#),
        ("OPTIONS *", r#"OPTIONS None None "*" None host Some("x")"#),
        ("OPTIONS /a", r#"OPTIONS None None "/a" None host Some("x")"#),
    ] {
        let answer = peer.ask(format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!((answer.status, answer.text()), (200, expected), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_of_another_form_is_refused() {
    let site = Site::new(parts());
    for line in [
        "GET *",
        "OPTIONS a",
        "GET a/b",
        "GET example.org:80",
        "GET http://",
        "GET http:///a",
        "GET //#",
        "GET /#a",
        "GET http://user@host/",
        "GET http://host/#a",
        "CONNECT /",
        "CONNECT example.org",
        "CONNECT http://example.org/",
        "CONNECT :80",
        "CONNECT *",
        "GET /a b",
        "GET  /",
        "GET /\u{7f}",
        "GET ",
    ] {
        let mut peer = site.connect().await;
        let answer = peer.ask(format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!(answer.status, 400, "{line}");
        answer.expect_refusal(400);
        peer.expect_end().await;
    }
    assert_eq!(site.server.stats().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn connect_reaches_the_handler_with_its_authority_alone() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let mut answer = text(format!("{} {:?}", request.method(), request.uri()));
        *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
        answer
    }));
    let mut peer = site.connect().await;
    let answer = peer.ask("CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    // Whatever came behind it was meant for the tunnel.
    let fields = [("connection", "close"), ("content-length", "21")];
    answer.expect(501, &fields, "CONNECT a.example:443");
    peer.expect_end().await;
}

/// There was no upgrade asked for, so a handler must not say that there is one.
#[tokio::test(start_paused = true)]
async fn a_handler_that_switches_protocols_unasked_fails() {
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", StatusCode::SWITCHING_PROTOCOLS),
        ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", StatusCode::CONTINUE),
    ] {
        let site = Site::new(handler(move |_| async move {
            Response::builder().status(status).body(Body::empty()).expect("a response")
        }));
        let mut peer = site.connect().await;
        peer.ask(request.repeat(2)).await.expect_refusal(500);
        peer.expect_end().await;
        assert_eq!(site.server.stats().requests, 1);
    }
}
