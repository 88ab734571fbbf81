//! The end of a server whose clients speak HTTP/3.

use dipole_http::{Drained, HttpService};
use dipole_net::{ReceiveStreamExt, SendStreamExt};
use tokio::time::{Instant, sleep};

use super::client::*;
use crate::codec::code;
use crate::support::{handler, ms, secs, text};

fn slow() -> impl HttpService {
    handler(async |request| {
        if request.uri().path() == "/slow" {
            sleep(ms(700)).await;
        }
        text("done")
    })
}

#[tokio::test(start_paused = true)]
async fn running_requests_end_and_later_ones_may_go_elsewhere() {
    let site = Site::new(slow());
    let client = site.connect().await;
    let mut control = client.conn.accept_uni_stream().await.unwrap();
    control.read().await.unwrap();
    let mut running = client.begin("GET", "/slow", &[]).await;
    running.send.close().await.unwrap();
    while site.server.stats().requests < 1 {
        sleep(ms(5)).await;
    }
    let server = site.server.clone();
    let shutdown = tokio::spawn(async move { server.shutdown(secs(30)).await });
    // GOAWAY comes twice: to announce, and with what is the last request.
    assert_eq!(&control.read().await.unwrap().unwrap()[..2], b"\x07\x08");
    assert_eq!(&control.read().await.unwrap().unwrap()[..], b"\x07\x01\x04");
    let mut late = client.begin("GET", "/", &[]).await;
    assert_eq!(reset_code(&mut late.receive).await, code::REQUEST_REJECTED);
    assert_eq!(answer(&mut running.receive).await.unwrap().text(), "done");
    assert_eq!(client.closed_with().await, code::NO_ERROR);
    assert_eq!(shutdown.await.unwrap(), Drained::Whole);
    assert_eq!((site.server.stats().requests, site.server.stats().cancelled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_still_runs_at_the_deadline_is_dropped() {
    let site = Site::new(slow());
    let client = site.connect().await;
    let mut running = client.begin("GET", "/slow", &[]).await;
    running.send.close().await.unwrap();
    while site.server.stats().requests < 1 {
        sleep(ms(5)).await;
    }
    assert_eq!(site.server.shutdown(ms(100)).await, Drained::CutShort);
    assert!(answer(&mut running.receive).await.is_err());
    assert_eq!((site.server.stats().open_connections, site.server.stats().cancelled), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_does_not_hold_the_server_up() {
    let site = Site::configured(slow(), |config| config.linger_timeout = ms(300));
    let client = site.connect().await;
    client.ask("GET", "/", b"").await.unwrap();
    let begin = Instant::now();
    assert_eq!(site.server.shutdown(secs(30)).await, Drained::Whole);
    assert!(begin.elapsed() <= secs(2), "{:?}", begin.elapsed());
    assert_eq!(client.closed_with().await, code::NO_ERROR);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_used_up_says_so() {
    let site = Site::configured(slow(), |config| {
        config.max_requests_per_connection = Some(2);
        config.linger_timeout = ms(100);
    });
    let client = site.connect().await;
    client.ask("GET", "/", b"").await.unwrap();
    client.ask("GET", "/", b"").await.unwrap();
    assert_eq!(client.closed_with().await, code::NO_ERROR);
}
