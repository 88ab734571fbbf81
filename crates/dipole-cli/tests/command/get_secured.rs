//! `dipole get` over TLS and HTTP/2.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dipole::tls::{Authority, ServerTls, ServerTlsOptions};
use dipole::tokio::Tokio;
use dipole::{Body, Server, ServerHandle};
use http::{Request, Response};

use crate::support::{Canned, Folder, run};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server whose certificate is for `localhost`.
struct Secured {
    handle: ServerHandle,
    folder: Folder,
}

impl Secured {
    fn start() -> Self {
        let now = SystemTime::now();
        Self::valid(now - DAY, now + DAY)
    }

    fn valid(from: SystemTime, to: SystemTime) -> Self {
        let now = SystemTime::now();
        let authority = Authority::new("authority of the test", now - DAY..now + DAY);
        let authority = authority.expect("an authority");
        let issued = authority.issue(&["localhost"], from..to).expect("a certificate");
        let mut options = ServerTlsOptions::new(issued.identity);
        options.alpn = vec![Bytes::from_static(b"h2"), Bytes::from_static(b"http/1.1")];
        let tls = ServerTls::new(&options).expect("TLS");
        let service = tower::service_fn(|request: Request<Body>| async move {
            let text = format!("{:?}", request.version());
            Ok::<_, Infallible>(Response::new(Body::from(text)))
        });
        let server = Server::new(service).listen("127.0.0.1:0", tls.over(Tokio::new()));
        let handle = server.workers(1).start().expect("a free port");
        let folder = Folder::with(&[("ca.pem", authority.certificate().as_bytes())]);
        Self { handle, folder }
    }

    fn url(&self, host: &str) -> String {
        let port = self.handle.local_addrs()[0].port().expect("a port");
        format!("https://{host}:{port}/path?query")
    }

    fn ca(&self) -> String {
        self.folder.path("ca.pem").to_str().expect("it is UTF-8").to_owned()
    }
}

#[test]
fn the_server_chooses_http2_unless_told_otherwise() {
    let server = Secured::start();
    let (url, ca) = (server.url("localhost"), server.ca());
    for (options, version) in
        [(&[][..], "HTTP/2.0"), (&["--http2"], "HTTP/2.0"), (&["--http1.1"], "HTTP/1.1")]
    {
        let ended = run(&[&["get", &url, "--cacert", &ca], options].concat());
        assert_eq!((ended.status, ended.text()), (Some(0), version), "{ended:?}");
    }
}

#[test]
fn what_was_negotiated_is_told() {
    let server = Secured::start();
    let url = server.url("localhost");
    let ended = run(&["get", "-v", "--cacert", &server.ca(), "-H", "x-a: b", &url]);
    assert_eq!((ended.status, ended.text()), (Some(0), "HTTP/2.0"), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    for (number, beginning) in [
        "* connected to 127.0.0.1:",
        "* TLSv1.3, TLS_",
        "* certificate of CN=localhost",
        "*   issued by CN=authority of the test",
        "*   valid from ",
        "> GET /path?query HTTP/2",
        "> host: localhost:",
    ]
    .iter()
    .enumerate()
    {
        assert!(lines[number].starts_with(beginning), "{beginning:?} in {}", ended.stderr);
    }
    assert!(lines[1].contains(", ALPN chose h2, a new session"), "{}", lines[1]);
    for line in ["> x-a: b", ">", "< HTTP/2 200 OK", "< content-length: 8", "<"] {
        assert!(lines.contains(&line), "{line:?} in {}", ended.stderr);
    }
}

#[test]
fn a_plain_connection_has_less_to_tell() {
    let server = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: \x1b[2J\r\n\r\nhi");
    let ended = run(&["get", "-v", &server.url("/")]);
    // An answer with control characters is none at all.
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let server = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let ended = run(&["get", "-v", &server.url("/")]);
    assert_eq!((ended.status, ended.text()), (Some(0), "hi"), "{ended:?}");
    assert!(ended.stderr.contains("> GET / HTTP/1.1\n"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("TLS"), "{}", ended.stderr);
}

#[test]
fn a_certificate_that_nobody_trusts_is_not_taken_unless_told_so() {
    let server = Secured::start();
    let ended = run(&["get", &server.url("localhost")]);
    let line = ended.failure(1);
    assert!(line.contains("--cacert FILE") && line.contains("--insecure"), "{line}");
    let ended = run(&["get", "--insecure", &server.url("localhost")]);
    assert_eq!((ended.status, ended.text()), (Some(0), "HTTP/2.0"), "{ended:?}");
}

#[test]
fn a_trusted_namesake_of_the_issuer_is_not_the_issuer_and_what_to_do_is_said() {
    let server = Secured::start();
    let now = SystemTime::now();
    let namesake = Authority::new("authority of the test", now - DAY..now + DAY);
    let namesake = namesake.expect("an authority");
    let folder = Folder::with(&[
        ("like.pem", namesake.certificate().as_bytes()),
        ("unlike.pem", NAMESAKE.as_bytes()),
    ]);
    for (file, reason) in [
        ("like.pem", "the certificate is not acceptable"),
        ("unlike.pem", "the certificate's issuer is not trusted"),
    ] {
        let path = folder.path(file);
        let path = path.to_str().expect("it is UTF-8");
        let ended = run(&["get", "--cacert", path, &server.url("localhost")]);
        let line = ended.failure(1);
        assert!(line.contains(reason), "{file}: {line}");
        assert!(line.contains("see that --cacert has") && line.contains("--insecure"), "{line}");
    }
}

#[test]
fn a_certificate_for_another_name_or_time_is_not_taken() {
    let server = Secured::start();
    let ended = run(&["get", "--cacert", &server.ca(), &server.url("127.0.0.1")]);
    assert!(ended.failure(1).contains("a name that it is for"), "{ended:?}");
    let now = SystemTime::now();
    let server = Secured::valid(now - DAY, now - DAY / 2);
    let ended = run(&["get", "--cacert", &server.ca(), &server.url("localhost")]);
    assert!(ended.failure(1).contains("this machine's clock"), "{ended:?}");
}

#[test]
fn a_port_without_tls_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        // Until the client goes.
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let ended = run(&["get", "--insecure", &format!("https://{addr}/")]);
    assert!(ended.failure(1).contains("http://"), "{ended:?}");
}

#[test]
fn authorities_that_cannot_be_read_are_said_so() {
    let ended = run(&["get", "--cacert", "/no/such/file", "https://localhost:1/"]);
    assert!(ended.failure(1).contains("/no/such/file"), "{ended:?}");
    let folder = Folder::with(&[("empty.pem", b"no certificate")]);
    let path = folder.path("empty.pem");
    let path = path.to_str().expect("it is UTF-8");
    let ended = run(&["get", "--cacert", path, "https://localhost:1/"]);
    assert!(ended.failure(1).contains("empty.pem"), "{ended:?}");
}

#[test]
fn options_that_exclude_each_other_are_wrong_usage() {
    for options in [["--http1.1", "--http2"], ["--insecure", "--cacert=x"]] {
        let ended = run(&[&["get", "https://localhost/"], &options[..]].concat());
        assert_eq!(ended.status, Some(2), "{ended:?}");
    }
}

#[test]
fn where_there_is_no_http3_the_others_are_spoken_unless_it_is_asked_for_alone() {
    let server = Secured::start();
    let (url, ca) = (server.url("localhost"), server.ca());
    for options in [&["--http3"][..], &["--network", "quinn"]] {
        let ended = run(&[&["get", &url, "--cacert", &ca, "-v"], options].concat());
        assert_eq!((ended.status, ended.text()), (Some(0), "HTTP/2.0"), "{ended:?}");
        assert!(ended.stderr.contains(", by tokio\n"), "{ended:?}");
    }
    let ended = run(&["get", "http://localhost:1/", "--http3-only"]);
    assert_eq!(ended.failure(1), "HTTP/3 needs TLS: ask by https:");
    let ended = run(&["get", &url, "--cacert", &ca, "--http3-only", "--max-time", "1"]);
    assert!(ended.failure(1).contains("--max-time"), "{ended:?}");
}

/// An authority that has the name of [`Secured`]'s and a key of another kind (Ed25519).
const NAMESAKE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBVTCCAQegAwIBAgIUI0RUehTI+Fxbxjy1y+fuuBECG/YwBQYDK2VwMCAxHjAc
BgNVBAMMFWF1dGhvcml0eSBvZiB0aGUgdGVzdDAeFw0yNjExMjYxMzAxNTNaFw0z
NjExMjMxMzAxNTNaMCAxHjAcBgNVBAMMFWF1dGhvcml0eSBvZiB0aGUgdGVzdDAq
MAUGAytlcAMhABJ9xOHwKrkhC+PXaqjLChWYBmHCT5FItP3vPAzykxLxo1MwUTAd
BgNVHQ4EFgQUWTVTDtCVeZuNbIxTGcm/L2Qyo5swHwYDVR0jBBgwFoAUWTVTDtCV
eZuNbIxTGcm/L2Qyo5swDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXADQQCfWP352MKz
1f6gjmSEozQDtNas55nqoiBQFrBjjzWY3XM7xd7pScGDBDShuWdv6NQyqXpY8WTu
nfx1R6eHSloK
-----END CERTIFICATE-----
";
