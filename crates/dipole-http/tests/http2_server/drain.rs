//! The end of a server whose clients speak HTTP/2.

use dipole_http::{Drained, HttpService};
use tokio::time::{Instant, sleep};

use super::client::*;
use crate::support::{Site, expect_on_time, handler, secs, settle, text};

fn slow() -> impl HttpService {
    handler(async |_| {
        sleep(secs(10)).await;
        text("done")
    })
}

#[tokio::test(start_paused = true)]
async fn running_streams_end_and_new_ones_are_not_taken() {
    let site = Site::new(slow());
    let (client, ended) = connect(&site).await;
    let running = client.clone();
    let running = tokio::spawn(async move { ask(&running, get("/"), "").await });
    sleep(secs(3)).await;
    let (server, begin_time) = (site.server.clone(), Instant::now());
    let shutdown = tokio::spawn(async move { server.shutdown(secs(30)).await });
    settle().await;
    assert!(begin(&client, get("/"), "").await.is_err());
    let (answer, _) = running.await.expect("no panic").expect("an answer");
    assert_eq!(answer.body(), "done");
    ended.await.expect("no panic").expect("a good end");
    assert_eq!(shutdown.await.expect("no panic"), Drained::Whole);
    expect_on_time(begin_time, secs(7));
    assert_eq!((site.server.stats().requests, site.server.stats().cancelled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_still_runs_at_the_deadline_is_dropped() {
    let site = Site::new(slow());
    let (client, _) = connect(&site).await;
    let running = client.clone();
    let running = tokio::spawn(async move { ask(&running, get("/"), "").await });
    settle().await;
    assert_eq!(site.server.shutdown(secs(5)).await, Drained::CutShort);
    assert!(running.await.expect("no panic").is_err());
    assert_eq!((site.server.stats().open_connections, site.server.stats().cancelled), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_that_does_not_answer_does_not_hold_the_server_up() {
    let site = Site::new(slow());
    let mut peer = site.connect().await;
    greet(&mut peer, &[]).await;
    settle().await;
    let begin = Instant::now();
    assert_eq!(site.server.shutdown(secs(30)).await, Drained::Whole);
    assert!(begin.elapsed() <= secs(3), "{:?}", begin.elapsed());
    assert_eq!(farewell(&mut peer).await.goaways.first(), Some(&NO_ERROR));
}
