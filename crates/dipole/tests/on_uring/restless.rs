//! A worker that never rests, and one that does nothing but rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use dipole::uring::{Counters, Uring};

use crate::{client, serve};

#[test]
fn a_handler_that_never_rests_starves_no_other_connection() {
    let is_over = Arc::new(AtomicBool::new(false));
    let spin = {
        let is_over = Arc::clone(&is_over);
        move || async move {
            while !is_over.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            "at last"
        }
    };
    let app = Router::new().route("/spin", get(spin)).route("/", get(|| async { "hello" }));
    let Some((_server, addr)) = serve(|_| app) else { return };
    client(async {
        let spinning = tokio::spawn(reqwest::get(format!("http://{addr}/spin")));
        tokio::time::sleep(Duration::from_millis(100)).await;
        // New connections, and one that is used again and again.
        let kept = reqwest::Client::new();
        for _ in 0..30 {
            for http in [&reqwest::Client::new(), &kept] {
                let answer = http.get(format!("http://{addr}/")).send().await.unwrap();
                assert_eq!(answer.text().await.unwrap(), "hello");
            }
        }
        assert!(!spinning.is_finished());
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(spinning.await.unwrap().unwrap().text().await.unwrap(), "at last");
    });
}

#[test]
fn a_worker_without_work_enters_its_ring_no_more() {
    let mut uring = None;
    let keep = |library: &Uring| {
        uring = Some(library.clone());
        Router::new().route("/", get(|| async { "hello" }))
    };
    let Some((_server, addr)) = serve(keep) else { return };
    let uring = uring.unwrap();
    let idle = client(async {
        let kept = reqwest::Client::new();
        for _ in 0..10 {
            kept.get(format!("http://{addr}/")).send().await.unwrap().bytes().await.unwrap();
        }
        // The connection stays open, and waits. What has to be done after a request is soon done.
        let mut looks: Vec<Counters> = Vec::new();
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            looks.push(uring.counters());
            if let [.., a, b, c] = looks[..]
                && a == b
                && b == c
            {
                return c;
            }
        }
        panic!("a ring without work is turned for ever: {:?}", &looks[looks.len() - 3..])
    });
    assert!(idle.operations >= 2, "accepting and receiving are under way: {idle:?}");
    assert!(idle.enters > 0 && idle.enters < idle.submissions + idle.completions, "{idle:?}");
}
