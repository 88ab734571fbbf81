//! `dipole get` over HTTP/3.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dipole::quinn::Quinn;
use dipole::tls::{Authority, ServerTls, ServerTlsOptions};
use dipole::{Body, Server, ServerHandle};
use http::{Request, Response};
use serde_json::Value;

use crate::support::{Folder, run};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server of HTTP/3 alone, whose certificate is for `localhost`.
struct Streaming {
    handle: ServerHandle,
    folder: Folder,
}

impl Streaming {
    fn start() -> Self {
        let now = SystemTime::now();
        let authority = Authority::new("authority of the test", now - DAY..now + DAY);
        let authority = authority.expect("an authority");
        let issued = authority.issue(&["localhost"], now - DAY..now + DAY).expect("a certificate");
        let mut options = ServerTlsOptions::new(issued.identity);
        options.alpn = vec![Bytes::from_static(b"h3")];
        let tls = ServerTls::new(&options).expect("TLS");
        let service = tower::service_fn(|request: Request<Body>| async move {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
        let server = Server::new(service).listen("127.0.0.1:0", Quinn::server(tls));
        let handle = server.workers(1).start().expect("a free port");
        let folder = Folder::with(&[("ca.pem", authority.certificate().as_bytes())]);
        Self { handle, folder }
    }

    fn url(&self) -> String {
        let port = self.handle.local_addrs()[0].port().expect("a port");
        format!("https://localhost:{port}/path?query")
    }

    fn ca(&self) -> String {
        self.folder.path("ca.pem").to_str().expect("it is UTF-8").to_owned()
    }
}

#[test]
fn http3_is_spoken_in_each_of_its_ways_and_told() {
    let server = Streaming::start();
    let (url, ca) = (server.url(), server.ca());
    for (options, library) in [
        (&["--http3"][..], "quinn"),
        (&["--http3-only"], "quinn"),
        (&["--network", "quinn"], "quinn"),
        (&["--network", "s2n"], "s2n"),
    ] {
        let asked = ["get", "-v", "-d", "hello", "--cacert", &ca, &url];
        let ended = run(&[&asked[..], options].concat());
        assert_eq!((ended.status, ended.text()), (Some(0), "hello"), "{ended:?}");
        let library = format!(", by {library}\n");
        let told = [&*library, "ALPN chose h3", "> POST /path?query HTTP/3\n", "< HTTP/3 200"];
        for told in told {
            assert!(ended.stderr.contains(told), "{told:?} in {}", ended.stderr);
        }
    }
    let ended = run(&["get", "--json", "--http3-only", "--cacert", &ca, &url]);
    let report: Value = serde_json::from_str(&ended.stderr).expect("JSON");
    assert_eq!((&report["version"], &report["status"]), (&"HTTP/3".into(), &200.into()));
}

#[test]
fn a_certificate_that_nobody_trusts_comes_with_advice() {
    let server = Streaming::start();
    let ended = run(&["get", "--http3-only", &server.url()]);
    let line = ended.failure(1);
    assert!(line.contains("--cacert FILE") && line.contains("--insecure"), "{line}");
    let ended = run(&["get", "--http3-only", "--insecure", &server.url()]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
}
