//! Messages that are good and attacks, each sent at once and byte by byte.

use dipole_http::{Body, HttpService, ServerConfig};
use dipole_sim::Config;
use http::Request;

use crate::support::{Answer, Calls, End, Site, describe, handler, text};

/// A request that an attack tries to smuggle in.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// What a client sent, and what came of it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The requests that reached the handler, in words.
    calls: Vec<String>,
    /// The bytes of all answers, their dates masked.
    answers: String,
    end: End,
}

#[derive(Debug, Clone, Copy)]
enum Delivery {
    AtOnce,
    ByteByByte,
}

/// Notes each request when it begins, and answers with the whole of it in words.
fn noting(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |request: Request<Body>| {
        let calls = calls.clone();
        async move {
            let begun = format!("{} {}", request.method(), request.uri());
            calls.note(begun);
            let words = describe(request).await;
            calls.note(&words);
            text(words)
        }
    })
}

fn small_limits() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.max_head_bytes = 2048;
    config.max_target_bytes = 512;
    config.max_headers = 20;
    config
}

async fn deliver(bytes: &[u8], delivery: Delivery) -> Outcome {
    let mut network = Config::default();
    network.chunk = match delivery {
        Delivery::AtOnce => None,
        Delivery::ByteByByte => Some(1..=1),
    };
    let calls = Calls::default();
    let config = small_limits();
    let site = Site::on(network, noting(&calls), |server| server.config(config));
    let mut peer = site.connect().await;
    peer.try_send(bytes).await;
    let (answers, end) = peer.rest().await;
    Outcome { calls: calls.list(), answers, end }
}

/// Both deliveries, which come out the same, byte for byte.
async fn outcome(bytes: &[u8]) -> Outcome {
    let at_once = deliver(bytes, Delivery::AtOnce).await;
    let bit_by_bit = deliver(bytes, Delivery::ByteByByte).await;
    assert_eq!(at_once, bit_by_bit, "{}", bytes.escape_ascii());
    at_once
}

/// A head with these lines, and then what is smuggled.
fn get(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n{SMUGGLED}").into_bytes()
}

/// A chunked body, and then what is smuggled.
fn chunked(body: &str) -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    format!("{head}{body}{SMUGGLED}").into_bytes()
}

fn raw(bytes: &str) -> Vec<u8> {
    (bytes.to_owned() + SMUGGLED).into_bytes()
}

/// How far an attack comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaches {
    /// No handler is called.
    Nothing,
    /// One handler is called, and never sees the end of the body.
    Body,
}

/// Refused with this status, whichever fault of it is found first.
async fn expect_refused(name: &str, bytes: &[u8], status: u16, reaches: Reaches) {
    let calls: &[&str] = match reaches {
        Reaches::Nothing => &[],
        Reaches::Body => &["POST /"],
    };
    for delivery in [Delivery::AtOnce, Delivery::ByteByByte] {
        let outcome = deliver(bytes, delivery).await;
        assert_eq!(outcome.calls, calls, "{name} {delivery:?}: {outcome:?}");
        assert_eq!(outcome.end, End::Eof, "{name} {delivery:?}");
        let answers = outcome.answers.as_bytes();
        let answer = Answer::parse(answers, false, true);
        let answer = answer.unwrap_or_else(|| panic!("{name} {delivery:?}: no answer"));
        let seen = (answer.status, answer.closes());
        assert_eq!(seen, (status, true), "{name} {delivery:?}: {answer:?}");
        assert_eq!(answer.length, answers.len(), "{name} {delivery:?}: more than {answer:?}");
    }
}

/// Each of these `(name, bytes, status)` is refused before a handler is called.
async fn all_refused(attacks: Vec<(&str, Vec<u8>, u16)>) {
    for (name, bytes, status) in attacks {
        expect_refused(name, &bytes, status, Reaches::Nothing).await;
    }
}

#[tokio::test(start_paused = true)]
async fn framing_that_two_parsers_may_see_differently_is_refused() {
    all_refused(vec![
        ("both lengths", get("content-length: 5\r\ntransfer-encoding: chunked\r\n"), 400),
        (
            "both lengths, other order",
            get("transfer-encoding: chunked\r\nContent-Length: 0\r\n"),
            400,
        ),
        ("unlike lengths", get("content-length: 5\r\ncontent-length: 6\r\n"), 400),
        ("the same length twice", get("content-length: 5\r\ncontent-length: 5\r\n"), 400),
        ("a list of lengths", get("content-length: 5, 5\r\n"), 400),
        ("a list of unlike lengths", get("content-length: 5,6\r\n"), 400),
        ("a signed length", get("content-length: +5\r\n"), 400),
        ("a negative length", get("content-length: -5\r\n"), 400),
        ("a hexadecimal length", get("content-length: 0x5\r\n"), 400),
        ("a length with a space", get("content-length: 1 0\r\n"), 400),
        ("an empty length", get("content-length:\r\n"), 400),
        ("a length past 64 bits", get("content-length: 18446744073709551616\r\n"), 400),
        ("a long length", get(&format!("content-length: {}\r\n", "9".repeat(100))), 400),
        ("an unknown coding", get("transfer-encoding: gzip\r\n"), 400),
        ("an unknown coding before chunked", get("transfer-encoding: gzip, chunked\r\n"), 501),
        (
            "two lines of codings",
            get("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n"),
            501,
        ),
        ("chunked before another", get("transfer-encoding: chunked, identity\r\n"), 400),
        ("chunked twice", get("transfer-encoding: chunked, chunked\r\n"), 400),
        (
            "chunked in two lines",
            get("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
            400,
        ),
        ("identity", get("transfer-encoding: identity\r\n"), 400),
        ("an empty coding", get("transfer-encoding:\r\n"), 400),
        ("a coding with a hole", get("transfer-encoding: , chunked\r\n"), 501),
        ("a coding with a parameter", get("transfer-encoding: chunked;q=1\r\n"), 400),
        ("almost chunked", get("transfer-encoding: xchunked\r\n"), 400),
        ("chunked in quotes", get("transfer-encoding: \"chunked\"\r\n"), 400),
        ("chunked after a vertical tab", get("transfer-encoding: \x0bchunked\r\n"), 400),
        (
            "chunked of an old client",
            raw("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn lines_and_names_that_two_parsers_may_see_differently_are_refused() {
    all_refused(vec![
        ("obs-fold", get("x: y\r\n z\r\n"), 400),
        ("obs-fold with a tab", get("x: y\r\n\tz: 1\r\n"), 400),
        ("a first field that is folded", raw("GET / HTTP/1.1\r\n host: a\r\n\r\n"), 400),
        ("a bare CR in a value", get("x: y\rz: 1\r\n"), 400),
        ("a bare CR before the line end", get("x: y\r\r\n"), 400),
        ("a bare CR in a name", get("x\ry: z\r\n"), 400),
        ("a bare CR in the request line", raw("GET /\r HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("a bare LF after a field", get("x: y\nz: 1\r\n"), 400),
        ("a bare LF after the request line", raw("GET / HTTP/1.1\nhost: a\r\n\r\n"), 400),
        ("a bare LF as the blank line", raw("GET / HTTP/1.1\r\nhost: a\r\n\n"), 400),
        ("bare LFs throughout", raw("GET / HTTP/1.1\nhost: a\n\n"), 400),
        ("LF CR", raw("GET / HTTP/1.1\n\rhost: a\n\r\n\r"), 400),
        ("a bare LF before the request", raw("\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("a bare CR before the request", raw("\rGET / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("a space before the colon", get("content-length : 5\r\n"), 400),
        ("a tab before the colon", get("transfer-encoding\t: chunked\r\n"), 400),
        ("a space in a name", get("x y: z\r\n"), 400),
        ("no colon", get("content-length 5\r\n"), 400),
        ("no name", get(": x\r\n"), 400),
        ("a name that is not ASCII", get("x\u{e9}: y\r\n"), 400),
        ("a name in parentheses", get("(x): y\r\n"), 400),
        ("NUL in a value", get("x: y\0z\r\n"), 400),
        ("NUL in a name", get("x\0: y\r\n"), 400),
        ("NUL in the target", raw("GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("NUL in the method", raw("GE\0T / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("NUL before the request", raw("\0GET / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("DEL in a value", get("x: \x7f\r\n"), 400),
        ("a bell in a value", get("x: \x07\r\n"), 400),
        ("an escape in a value", get("x: \x1b[2J\r\n"), 400),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_one_request_of_http_1_is_refused() {
    let mut client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    client_hello.extend((0..500u32).map(|number| (number * 37) as u8));
    let garbage: Vec<_> = (0..2000u32).map(|number| (number * 37) as u8 | 0x80).collect();
    all_refused(vec![
        ("version 2.0", raw("GET / HTTP/2.0\r\nhost: a\r\n\r\n"), 505),
        ("version 0.9", raw("GET / HTTP/0.9\r\nhost: a\r\n\r\n"), 505),
        ("version 3.0", raw("GET / HTTP/3.0\r\nhost: a\r\n\r\n"), 505),
        ("no version", raw("GET /\r\n"), 400),
        ("no version, with fields", raw("GET /\r\nhost: a\r\n\r\n"), 400),
        ("version 1.10", raw("GET / HTTP/1.10\r\nhost: a\r\n\r\n"), 400),
        ("version 1", raw("GET / HTTP/1\r\nhost: a\r\n\r\n"), 400),
        ("version in lower case", raw("GET / http/1.1\r\nhost: a\r\n\r\n"), 400),
        ("a space after the version", raw("GET / HTTP/1.1 \r\nhost: a\r\n\r\n"), 400),
        ("two spaces", raw("GET  / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("tabs for spaces", raw("GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("a space before the method", raw(" GET / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("a method that is not a token", raw("G@T / HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("no method", raw("/ HTTP/1.1\r\nhost: a\r\n\r\n"), 400),
        ("a response", raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), 400),
        ("a TLS ClientHello", client_hello, 400),
        ("garbage", garbage, 400),
        ("words", raw("EHLO mail.example.org\r\n"), 400),
        ("too many empty lines", raw(&"\r\n".repeat(20)), 400),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_missing_repeated_or_none_is_refused() {
    all_refused(vec![
        ("no Host", raw("GET / HTTP/1.1\r\nx: y\r\n\r\n"), 400),
        ("no fields", raw("GET / HTTP/1.1\r\n\r\n"), 400),
        ("no Host beside an authority", raw("GET http://a/ HTTP/1.1\r\n\r\n"), 400),
        ("a second Host", get("host: b\r\n"), 400),
        ("the same Host again", get("Host: a\r\n"), 400),
        (
            "a second Host of an old client",
            raw("GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n"),
            400,
        ),
        ("a list of hosts", raw("GET / HTTP/1.1\r\nhost: a, b\r\n\r\n"), 400),
        ("a Host with a space", raw("GET / HTTP/1.1\r\nhost: a b\r\n\r\n"), 400),
        ("a Host with a path", raw("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"), 400),
        ("a Host with a user", raw("GET / HTTP/1.1\r\nhost: u@a\r\n\r\n"), 400),
        ("a Host with a bad port", raw("GET / HTTP/1.1\r\nhost: a:b\r\n\r\n"), 400),
        ("a Host with a large port", raw("GET / HTTP/1.1\r\nhost: a:65536\r\n\r\n"), 400),
        ("a Host with a scheme", raw("GET / HTTP/1.1\r\nhost: http://a\r\n\r\n"), 400),
    ])
    .await;
}

/// 2048 bytes of head, 512 of target, 20 fields.
#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_refused_with_its_status() {
    let target = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(512));
    let endless_target = format!("GET /{}", "x".repeat(100_000));
    let long_value = get(&format!("x: {}\r\n", "y".repeat(2048)));
    let long_name = get(&format!("{}: y\r\n", "x".repeat(2048)));
    let endless_value = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(100_000));
    let many = get(&"x: y\r\n".repeat(20));
    let endless_fields = format!("GET / HTTP/1.1\r\nhost: a\r\n{}", "x: y\r\n".repeat(10_000));
    let large_sum =
        get(&(0..10).map(|n| format!("x{n}: {}\r\n", "y".repeat(300))).collect::<String>());
    all_refused(vec![
        ("a long target", raw(&target), 414),
        ("a target without an end", endless_target.into_bytes(), 414),
        ("a long value", long_value, 431),
        ("a long name", long_name, 431),
        ("a value without an end", endless_value.into_bytes(), 431),
        ("a field too many", many, 431),
        ("fields without an end", endless_fields.into_bytes(), 431),
        ("fields that are large together", large_sum, 431),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_chunked_body_ends_its_request_and_the_connection() {
    let flood = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(20_000));
    let floods = "1;eeeeeeeeeeeeee\r\nx\r\n".repeat(2000) + "0\r\n\r\n";
    let long_trailer = format!("0\r\nx: {}\r\n\r\n", "y".repeat(2048));
    let endless_trailer = format!("0\r\nx: {}", "y".repeat(100_000));
    let many_trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(21));
    for (name, body, status) in [
        ("no size", "\r\nx\r\n0\r\n\r\n", 400),
        ("a size that is no number", "x\r\nx\r\n0\r\n\r\n", 400),
        ("a negative size", "-1\r\nx\r\n0\r\n\r\n", 400),
        ("a signed size", "+1\r\nx\r\n0\r\n\r\n", 400),
        ("a size with its base", "0x1\r\nx\r\n0\r\n\r\n", 400),
        ("a size with a space before", " 1\r\nx\r\n0\r\n\r\n", 400),
        ("a size with a space after", "1 \r\nx\r\n0\r\n\r\n", 400),
        ("a size past 64 bits", "10000000000000000\r\nx\r\n0\r\n\r\n", 400),
        ("a size that overflows to 1", "100000000000000001\r\nx\r\n0\r\n\r\n", 400),
        ("a size with many zeros", "0000000000000000001\r\nx\r\n0\r\n\r\n", 400),
        ("a size that ends in LF", "1\nx\r\n0\r\n\r\n", 400),
        ("a size that ends in CR", "1\rx\r\n0\r\n\r\n", 400),
        ("an extension that ends in LF", "1;a\nx\r\n0\r\n\r\n", 400),
        ("an extension with a bare CR", "1;a\rb\r\nx\r\n0\r\n\r\n", 400),
        ("an extension with NUL", "1;a\0\r\nx\r\n0\r\n\r\n", 400),
        ("data that is too long", "1\r\nxy\r\n0\r\n\r\n", 400),
        ("data that is too short", "3\r\nx\r\n0\r\n\r\n", 400),
        ("data that ends in LF", "1\r\nx\n0\r\n\r\n", 400),
        ("data without a line end", "1\r\nx0\r\n\r\n", 400),
        ("a flood of one extension", &flood, 400),
        ("a flood of extensions", &floods, 400),
        ("a bad trailer", "0\r\nx y: z\r\n\r\n", 400),
        ("a folded trailer", "0\r\nx: y\r\n z\r\n\r\n", 400),
        ("a trailer that ends in LF", "0\r\nx: y\n\r\n", 400),
        ("a last line that ends in LF", "0\r\n\n", 400),
        ("a length as trailer", "0\r\ncontent-length: 5\r\n\r\n", 400),
        ("a coding as trailer", "0\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        ("a Host as trailer", "0\r\nhost: b\r\n\r\n", 400),
        ("a password as trailer", "0\r\nauthorization: x\r\n\r\n", 400),
        ("a long trailer", &long_trailer, 431),
        ("a trailer without an end", &endless_trailer, 431),
        ("too many trailers", &many_trailers, 431),
    ] {
        expect_refused(name, &chunked(body), status, Reaches::Body).await;
    }
}

/// The first of two requests is good, the second is not.
#[tokio::test(start_paused = true)]
async fn an_attack_after_a_good_request_ends_the_connection_too() {
    let good = "GET /good HTTP/1.1\r\nhost: a\r\n\r\n";
    let bytes = [good.as_bytes(), &get("x : y\r\n")].concat();
    let outcome = outcome(&bytes).await;
    assert_eq!(outcome.calls, ["GET /good", "GET /good HTTP/1.1 | host: a | "]);
    let (first, second) = outcome.answers.split_once("| HTTP/1.1 400 ").expect("a refusal");
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    assert!(second.contains("\r\nconnection: close\r\n"), "{second}");
    assert_eq!(outcome.end, End::Eof);
}

/// Good messages and their words; `@` stands for a `Host` and what ends the connection.
#[tokio::test(start_paused = true)]
async fn good_messages_come_out_the_same_however_they_are_delivered() {
    let target = format!("/{}", "x".repeat(511));
    let (long_target, its_words) =
        (format!("GET {target} HTTP/1.1\r\n@\r\n"), format!("GET {target} HTTP/1.1@ | "));
    let (many_fields, their_words) = (
        format!("GET / HTTP/1.1\r\n@{}\r\n", "x: y\r\n".repeat(18)),
        format!("GET / HTTP/1.1@{} | ", " | x: y".repeat(18)),
    );
    for (bytes, words) in [
        ("GET / HTTP/1.1\r\n@\r\n", "GET / HTTP/1.1@ | "),
        ("M-SEARCH /a?b HTTP/1.1\r\n@\r\n", "M-SEARCH /a?b HTTP/1.1@ | "),
        ("GET / HTTP/1.1\r\n@X-Y:\t z \t\r\nNone:\r\n\r\n", "GET / HTTP/1.1@ | x-y: z | none:  | "),
        ("GET / HTTP/1.1\r\n@a: \u{e9},;\r\n\r\n", "GET / HTTP/1.1@ | a: \\xc3\\xa9,; | "),
        ("\r\nOPTIONS * HTTP/1.1\r\n@\r\n", "OPTIONS * HTTP/1.1@ | "),
        (&long_target, &its_words),
        (&many_fields, &their_words),
        (
            "POST / HTTP/1.1\r\n@content-length: 5\r\n\r\nhello",
            "POST / HTTP/1.1@ | content-length: 5 | hello",
        ),
        (
            "POST / HTTP/1.1\r\n@Content-Length: 005\r\n\r\n\r\n\0\r\n",
            "POST / HTTP/1.1@ | content-length: 005 | \\r\\n\\x00\\r\\n",
        ),
        (
            "POST / HTTP/1.1\r\n@Transfer-Encoding: Chunked\r\n\r\n\
             3\r\nabc\r\n00A;x=\"y z\"\r\n0123456789\r\n0\r\n\r\n",
            "POST / HTTP/1.1@ | transfer-encoding: Chunked | abc0123456789",
        ),
        (
            "POST / HTTP/1.1\r\n@transfer-encoding: chunked\r\n\r\n\
             1\r\n\r\r\n000;\r\nx: y\r\nz:\r\n\r\n",
            "POST / HTTP/1.1@ | transfer-encoding: chunked | \\r | x: y | z: ",
        ),
        ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0 | "),
        (
            "POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nok",
            "POST / HTTP/1.0 | content-length: 2 | ok",
        ),
    ] {
        let bytes = bytes.replace('@', "host: a\r\nconnection: close\r\n");
        let words = words.replace('@', " | host: a | connection: close");
        let outcome = outcome(bytes.as_bytes()).await;
        assert_eq!((outcome.calls.get(1), outcome.end), (Some(&words), End::Eof), "{bytes:?}");
        let answers = outcome.answers.as_bytes();
        let answer = Answer::parse(answers, false, true).expect("an answer");
        assert_eq!((answer.status, answer.text()), (200, &*words), "{bytes:?}");
        assert_eq!(answer.length, answers.len(), "{bytes:?}: nothing comes after {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_comes_out_the_same_however_it_is_delivered() {
    let batch = "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n\
                 POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc\r\n\
                 POST /3 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n0\r\nt: u\r\n\r\n\
                 HEAD /4 HTTP/1.1\r\nhost: a\r\n\r\n\
                 GET /5 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n\
                 GET /6 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let outcome = outcome(batch.as_bytes()).await;
    let begun: Vec<_> = outcome.calls.iter().step_by(2).collect();
    assert_eq!(begun, ["GET /1", "POST /2", "POST /3", "HEAD /4", "GET /5", "GET /6"]);
    assert_eq!(outcome.answers.matches("HTTP/1.1 200 OK\r\n").count(), 6);
    assert_eq!(outcome.end, End::Eof);
}
