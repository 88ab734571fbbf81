//! A handler on io_uring runs under tokio: its sockets, timers, tasks and threads work there.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{get, post};
use dipole::net::{ConnExt, DialerExt};
use dipole::uring::Uring;
use dipole::{Body, Client};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{client, serve};

/// What comes is sent back through a server of tokio's own, by a socket of tokio's own.
async fn by_tokio(body: Bytes) -> Result<Vec<u8>, StatusCode> {
    let relay = async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let (mut reader, mut writer) = stream.split();
            tokio::io::copy(&mut reader, &mut writer).await
        });
        let mut stream = TcpStream::connect(addr).await?;
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        let send = async {
            writer.write_all(&body).await?;
            writer.shutdown().await
        };
        tokio::try_join!(send, reader.read_to_end(&mut answer))?;
        std::io::Result::Ok(answer)
    };
    relay.await.map_err(|_| StatusCode::BAD_GATEWAY)
}

#[test]
fn a_handler_uses_sockets_of_tokio() {
    let Some((_server, addr)) = serve(|_| Router::new().route("/", post(by_tokio))) else { return };
    client(async {
        let sent: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
        for _ in 0..5 {
            let request = reqwest::Client::new().post(format!("http://{addr}/")).body(sent.clone());
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            assert!(answer.bytes().await.unwrap() == sent);
        }
    });
}

#[test]
fn a_handler_uses_timers_tasks_and_blocking_threads() {
    async fn work() -> String {
        let begin = Instant::now();
        tokio::time::sleep(Duration::from_millis(30)).await;
        let late =
            tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await;
        let task = tokio::spawn(async {
            tokio::task::yield_now().await;
            20
        });
        let (thread, here) = (|| std::thread::current().id(), std::thread::current().id());
        let there = tokio::task::spawn_blocking(thread).await.unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(30) && late.is_err() && here != there);
        (task.await.unwrap() + 22).to_string()
    }
    let Some((_server, addr)) = serve(|_| Router::new().route("/", get(work))) else { return };
    client(async {
        let (http, url) = (reqwest::Client::new(), format!("http://{addr}/"));
        let requests = (0..20).map(|_| tokio::spawn(http.get(&url).send()));
        for request in requests.collect::<Vec<_>>() {
            let answer = request.await.unwrap().unwrap().error_for_status().unwrap();
            assert_eq!(answer.text().await.unwrap(), "42");
        }
    });
}

#[test]
fn a_handler_uses_reqwest() {
    let origin = serve(|_| Router::new().route("/", get(|| async { "from the origin" })));
    let Some((_origin, origin)) = origin else { return };
    let ask = move || async move {
        let answer = reqwest::get(format!("http://{origin}/")).await.map_err(|e| e.to_string())?;
        answer.text().await.map_err(|e| e.to_string())
    };
    let Some((_server, addr)) = serve(|_| Router::new().route("/", get(ask))) else { return };
    client(async {
        for _ in 0..10 {
            let answer = reqwest::get(format!("http://{addr}/")).await.unwrap();
            assert_eq!(answer.text().await.unwrap(), "from the origin");
        }
    });
}

#[test]
fn a_handler_dials_on_the_ring_of_its_worker() {
    async fn ask(State((uring, client)): State<(Uring, Client)>, addr: String) -> String {
        let operations = uring.counters().operations;
        let request = Request::get(format!("http://{addr}/")).body(Body::empty()).unwrap();
        let answer = client.request(request).await.unwrap();
        // By hand as well: the connection is on this thread's ring.
        let mut conn = uring.dial_timeout(&addr.parse().unwrap(), None).await.unwrap();
        conn.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let head = String::from_utf8(conn.peek(15).await.unwrap().to_vec()).unwrap();
        let grown = uring.counters().operations > operations;
        format!("{} {} {grown}", answer.status(), head)
    }
    let origin = serve(|_| Router::new().route("/", get(|| async { "here" })));
    let Some((_origin, origin)) = origin else { return };
    let app = |uring: &Uring| {
        let client = Client::builder().with_dialer(uring.clone()).build();
        Router::new().route("/", post(ask)).with_state((uring.clone(), client))
    };
    let Some((_server, addr)) = serve(app) else { return };
    client(async {
        let request = reqwest::Client::new().post(format!("http://{addr}/"));
        let answer = request.body(origin.to_string()).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "200 OK HTTP/1.1 200 OK true");
    });
}
