//! Clients that send the same fields from request to request, and services that answer with the same
//! ones, which a server may remember.

use dipole_http::{Body, HttpService};
use http::{Request, Response};

use crate::support::{Site, by_hand, handler, secs, text};

/// Answers with all that it was asked.
fn mirror() -> impl HttpService {
    handler(|request: Request<Body>| async move {
        let (parts, _) = request.into_parts();
        text(format!("{} {} {:?} {:?}", parts.method, parts.uri, parts.version, parts.headers))
    })
}

const HEADS: &[&str] = &[
    "GET /1 HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx: 1\r\n\r\n",
    "GET /2 HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx: 1\r\n\r\n",
    "POST /3 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
    "GET /4 HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx: 2\r\n\r\n",
    "POST /5 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
    "GET /6 HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx: 1\r\n\r\n",
    "\r\nGET /7 HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx: 1\r\n\r\n",
    "GET http://b/8 HTTP/1.1\r\nhost: a\r\naccept: */*\r\nx: 1\r\n\r\n",
];

/// The answers to `requests`, sent in pieces, on a server that remembers so many heads; the last
/// of them ends the connection.
async fn answers(remembered_heads: usize, pieces: &[&str]) -> String {
    let site = Site::configured(mirror(), |config| config.remembered_heads = remembered_heads);
    // What another client has sent is remembered too.
    let mut other = site.connect().await;
    for head in HEADS.iter().chain(HEADS) {
        other.ask(head).await;
    }
    let mut peer = site.connect().await;
    for piece in pieces {
        peer.try_send(piece).await;
        tokio::time::sleep(secs(1)).await;
    }
    let (answers, _) = peer.rest().await;
    answers
}

#[tokio::test(start_paused = true)]
async fn answers_are_the_same_whether_heads_are_remembered_or_not() {
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let requests = HEADS.concat() + &HEADS.concat() + last;
    let expected = answers(0, &[&requests]).await;
    assert_eq!(expected.matches("200 OK").count(), 2 * HEADS.len() + 1);
    let one_by_one: Vec<_> = HEADS.iter().chain(HEADS).copied().chain([last]).collect();
    for remembered_heads in [1, 64] {
        assert_eq!(answers(remembered_heads, &[&requests]).await, expected);
        assert_eq!(answers(remembered_heads, &one_by_one).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_remembered_may_come_in_any_two_pieces() {
    let repeated = HEADS[0].repeat(3);
    let last = "PUT /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let expected = answers(0, &[&repeated, HEADS[0], last]).await;
    for split in 1..HEADS[0].len() {
        let (first, second) = HEADS[0].split_at(split);
        assert_eq!(answers(64, &[&repeated, first, second, last]).await, expected, "{split}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_head_after_one_that_is_remembered_is_refused_as_ever() {
    let good = HEADS[0];
    let section = &good["GET /1 HTTP/1.1\r\n".len()..];
    for bad in [
        format!("GET / HTTP/2.0\r\n{section}"),
        format!("GET /\n HTTP/1.1\r\n{section}"),
        format!("GET / HTTP/1.1\n{section}"),
        format!("GET /a b HTTP/1.1\r\n{section}"),
        format!("GET /{} HTTP/1.1\r\n{section}", "a".repeat(20_000)),
        good.replace("host: a\r\n", "host: a\r\nhost: a\r\n"),
        good.replace("x: 1", "x : 1"),
        good.replace("\r\nx: 1", "\nx: 1"),
    ] {
        let pieces = [good, good, good, &bad, good];
        let expected = answers(0, &pieces).await;
        assert_eq!(expected.matches("200 OK").count(), 3, "{expected}");
        assert!(expected.contains("connection: close"), "{expected}");
        assert_eq!(answers(64, &pieces).await, expected);
    }
}

/// Answers whose fields are alike, and whose bodies and ends are not.
fn various() -> impl HttpService {
    handler(async |request: Request<Body>| {
        let response = Response::builder().header("content-type", "a/b").header("x-a", "1");
        let (response, body) = match request.uri().path() {
            "/204" => (response.status(204), Body::empty()),
            "/404" => (response.status(404), "not there".into()),
            "/other" => (response.header("x-a", "2"), "x".into()),
            "/own" => (response.header("content-length", "3"), "own".into()),
            "/owned" => (response.header("content-length", "5"), "owned".into()),
            "/streamed" => {
                let (feed, body) = by_hand();
                feed.data("streamed");
                (response, Body::new(body))
            }
            path => (response, Body::from(path.to_owned())),
        };
        response.body(body).expect("a response")
    })
}

#[tokio::test(start_paused = true)]
async fn answers_with_the_same_fields_have_their_own_bodies_and_ends() {
    let paths = ["/", "/1", "/12", "/204", "/404", "/other", "/own", "/owned", "/streamed"];
    let get = |path: &&str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let head = |path: &&str| format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let kept = |path: &&str| format!("GET {path} HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    let each_thrice: Vec<_> = paths.iter().flat_map(|path| [path; 3]).collect();
    let old: Vec<_> = paths[..3].iter().map(kept).collect();
    let requests = each_thrice.iter().map(|path| get(path)).collect::<String>()
        + &paths.iter().map(get).collect::<String>()
        + &paths.iter().map(head).collect::<String>()
        + &old.concat().repeat(2)
        + "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answers = async |remembered_heads| {
        let site = Site::configured(various(), |config| config.remembered_heads = remembered_heads);
        let mut peer = site.connect().await;
        peer.try_send(&requests).await;
        peer.rest().await.0
    };
    let expected = answers(0).await;
    assert_eq!(expected.matches("HTTP/1.1 ").count(), 5 * paths.len() + 7);
    for remembered_heads in [1, 2, 64] {
        assert_eq!(answers(remembered_heads).await, expected, "{remembered_heads}");
    }
}
