//! What sees a connection before its first request.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};

use dipole_http::{Admission, Body, ConnectionInfo, HttpService, ServerConfig};
use http::Request;
use tokio::time::sleep;

use crate::support::{Calls, Site, handler, secs, settle, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn noting(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |_| {
        calls.note("request");
        async { text("done") }
    })
}

#[tokio::test(start_paused = true)]
async fn the_hooks_see_a_connection_once_in_order_and_before_any_byte() {
    let calls = Calls::default();
    let (accepted, connected) = (calls.clone(), calls.clone());
    let site = Site::with(noting(&calls), |server| {
        server
            .on_connect(move |info| {
                connected.note(format!("connect {} {}", info.local_addr(), info.peer_addr()));
                Admission::Admit
            })
            .on_accept(move |peer| {
                accepted.note(format!("accept {peer}"));
                Admission::Admit
            })
    });
    let mut peer = site.connect_from("10.1.2.3").await;
    settle().await;
    let addr = peer.conn.local_addr();
    assert!(addr.to_string().starts_with("10.1.2.3:"), "{addr}");
    let before = [format!("accept {addr}"), format!("connect 127.0.0.1:80 {addr}")];
    assert_eq!(calls.list(), before, "the client has said nothing yet");
    for _ in 0..2 {
        peer.ask(GET).await.expect(200, &[("content-length", "4")], "done");
    }
    assert_eq!(calls.list()[2..], ["request", "request"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_refuses_closes_the_connection_without_a_handler_call() {
    for refuses_at_accept in [true, false] {
        let calls = Calls::default();
        let admit = |admits: bool| if admits { Admission::Admit } else { Admission::Refuse };
        let site = Site::with(noting(&calls), |server| {
            server
                .on_accept(move |_| admit(!refuses_at_accept))
                .on_connect(move |_| admit(refuses_at_accept))
        });
        for number in 1..=3 {
            let mut peer = site.connect().await;
            peer.try_send(GET).await;
            peer.expect_end().await;
            let stats = site.server.stats();
            assert_eq!((stats.refused_connections, stats.open_connections), (number, 0));
        }
        assert_eq!(calls.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_may_refuse_some_and_admit_others() {
    let calls = Calls::default();
    let site = Site::with(noting(&calls), |server| {
        server.on_accept(|peer| match peer.ip() {
            Some(ip) if ip.ip().to_string() == "10.0.0.66" => Admission::Refuse,
            _ => Admission::Admit,
        })
    });
    site.connect_from("10.0.0.66").await.expect_end().await;
    let mut peer = site.connect_from("10.0.0.65").await;
    peer.ask(GET).await.expect(200, &[("content-length", "4")], "done");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_costs_its_own_connection_alone() {
    for panics_at_accept in [true, false] {
        let calls = Calls::default();
        let panic_once = |panics: bool| {
            let left = AtomicBool::new(panics);
            move || {
                if left.swap(false, Ordering::Relaxed) {
                    resume_unwind(Box::new("asked for"));
                }
                Admission::Admit
            }
        };
        let (accept, connect) = (panic_once(panics_at_accept), panic_once(!panics_at_accept));
        let site = Site::with(noting(&calls), |server| {
            server.on_accept(move |_| accept()).on_connect(move |_| connect())
        });
        site.connect().await.expect_end().await;
        let mut peer = site.connect().await;
        peer.ask(GET).await.expect(200, &[("content-length", "4")], "done");
        assert_eq!(site.server.stats().open_connections, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_know_their_connection_where_that_was_asked_for() {
    let whose = || {
        handler(async |request: Request<Body>| match request.extensions().get::<ConnectionInfo>() {
            Some(info) => {
                text(format!("{} {} {}", info.local_addr(), info.peer_addr(), info.tls().is_some()))
            }
            None => text("unknown"),
        })
    };
    let site = Site::with(whose(), |server| server.expose_connection_info());
    let mut peer = site.connect_from("10.1.2.3").await;
    for _ in 0..2 {
        let expected = format!("127.0.0.1:80 {} false", peer.conn.local_addr());
        assert_eq!(peer.ask(GET).await.text(), expected);
    }
    let site = Site::new(whose());
    assert_eq!(site.connect().await.ask(GET).await.text(), "unknown");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_answers_itself_is_told() {
    let service = handler(async |request: Request<Body>| {
        match request.uri().path() {
            "/panic" => resume_unwind(Box::new("as the test wants it")),
            "/slow" => sleep(secs(1000)).await,
            _ => {}
        }
        text("done")
    });
    let (calls, mut config) = (Calls::default(), ServerConfig::default());
    config.header_timeout = Some(secs(5));
    config.request_timeout = Some(secs(7));
    config.max_body_bytes = Some(10);
    let told = calls.clone();
    let site = Site::with(service, |server| {
        server.config(config).on_own_answer(move |answer| {
            let peer = answer.connection.as_ref().map(ConnectionInfo::peer_addr);
            let from = peer.map_or("nowhere".into(), |peer| peer.to_string());
            let (status, reached) = (answer.status.as_u16(), answer.reached);
            told.note(format!("{status} {reached:?} {from}: {}", answer.reason));
        })
    });
    let mut expected = Vec::new();
    for (asked, status, told) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "Server"),
        ("GET / HTTP/1.1\r\nhost", 408, "Server"),
        ("GET / HTTP/7.0\r\nhost: a\r\n\r\n", 505, "Server"),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n", 413, "Server"),
        ("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", 503, "Service"),
        ("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n", 500, "Service"),
    ] {
        let mut peer = site.connect_from("10.1.2.3").await;
        let addr = peer.conn.local_addr();
        let answer = peer.ask(asked).await;
        answer.expect_refusal(status);
        expected.push(format!("{status} {told} {addr}: {}", answer.text().trim_end()));
    }
    assert_eq!(calls.list(), expected);
    let mut peer = site.connect().await;
    peer.ask(GET).await.expect(200, &[("content-length", "4")], "done");
    assert_eq!(calls.count(), expected.len(), "what the service answers is its own");
}
