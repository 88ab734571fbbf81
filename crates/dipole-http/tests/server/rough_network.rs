//! A long talk over networks that cut, delay and stall: it comes out the same on each.

use dipole_http::{Body, HttpService};
use dipole_sim::Config;
use http::{Request, Response};

use crate::support::{Site, describe, handler, secs, text};

/// Streams what comes back at `/echo`; says what has come anywhere else.
fn service() -> impl HttpService {
    handler(async |request: Request<Body>| match request.uri().path() {
        "/echo" => Response::new(request.into_body()),
        "/slow" => {
            tokio::time::sleep(secs(1)).await;
            text("slow")
        }
        _ => text(describe(request).await),
    })
}

/// `size` is that of the bodies, in bytes.
async fn talk(config: Config, size: usize) {
    let site = Site::on(config, service(), |server| server);
    let mut peer = site.connect().await;
    let body: String = (0..size).map(|number| char::from(b'a' + (number % 26) as u8)).collect();
    for round in 0..3 {
        let answer = peer.ask(format!("GET /{round} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!(answer.text(), format!("GET /{round} HTTP/1.1 | host: a | "));

        let sized =
            format!("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
        assert_eq!(peer.ask(sized + &body).await.text(), body);

        let mut chunked =
            "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        for piece in body.as_bytes().chunks(size / 40 + 7) {
            chunked += &format!("{:x};e=f\r\n", piece.len());
            chunked += std::str::from_utf8(piece).expect("ASCII");
            chunked += "\r\n";
        }
        let answer = peer.ask(chunked + "0\r\nsum: 1\r\n\r\n").await;
        assert_eq!(answer.text(), body);
        assert_eq!(answer.trailers, [("sum".to_owned(), "1".to_owned())]);

        let batch = ["/a", "/slow", "/b"];
        let requests = batch.map(|path| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        peer.send(requests.concat()).await;
        for expected in ["GET /a HTTP/1.1 | host: a | ", "slow", "GET /b HTTP/1.1 | host: a | "] {
            assert_eq!(peer.answer().await.text(), expected);
        }
    }
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(peer.ask(last).await.closes());
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_talk_is_the_same_on_every_network() {
    talk(Config::default(), 30_000).await;
    for seed in 0..20 {
        talk(Config::rough(seed), 30_000).await;
    }
    for length in 1..=3 {
        let mut config = Config::default();
        config.chunk = Some(length..=length);
        talk(config, 500).await;
    }
    let mut narrow = Config::default();
    narrow.capacity = 100;
    talk(narrow, 5000).await;
}
