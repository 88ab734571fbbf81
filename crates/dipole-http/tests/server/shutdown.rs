//! The end of a server: what runs is let end, until a deadline.

use dipole_http::{Body, Drained, HttpService, Server, ServerHandle};
use dipole_net::{Conn, DialerExt, ErrorKind};
use dipole_sim::Network;
use http::{Request, Response};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::support::{
    Calls, End, Site, by_hand, expect_on_time, handler, ms, read_all, secs, settle, text,
};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const CLOSING: [(&str, &str); 2] = [("connection", "close"), ("content-length", "4")];

/// Takes ten seconds.
fn slow() -> impl HttpService {
    handler(async |_| {
        sleep(secs(10)).await;
        text("done")
    })
}

fn quick() -> impl HttpService {
    handler(async |_| text("done"))
}

/// Begins a shutdown; gives how it ended and how long it took.
async fn begin(server: &ServerHandle, seconds: u64) -> JoinHandle<(Drained, std::time::Duration)> {
    let server = server.clone();
    let shutdown = tokio::spawn(async move {
        let begin = Instant::now();
        let drained = server.shutdown(secs(seconds)).await;
        (drained, begin.elapsed())
    });
    settle().await;
    shutdown
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_at_once() {
    let site = Site::new(quick());
    let mut unused = site.connect().await;
    let mut idle = site.connect().await;
    idle.ask(GET).await.expect(200, &[("content-length", "4")], "done");
    let begun = Instant::now();
    assert_eq!(site.server.shutdown(secs(30)).await, Drained::Whole);
    assert!(begun.elapsed() <= ms(1));
    unused.expect_end().await;
    idle.expect_end().await;
    assert_eq!(site.server.stats().open_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_new_is_accepted() {
    let site = Site::new(slow());
    let mut busy = site.connect().await;
    busy.send(GET).await;
    settle().await;
    let shutdown = begin(&site.server, 30).await;
    let addr = "127.0.0.1:80".parse().expect("an address");
    let refused = site.network.dial_timeout(&addr, None).await;
    assert_eq!(*refused.expect_err("nobody listens").kind(), ErrorKind::Refused);
    busy.answer().await.expect(200, &CLOSING, "done");
    busy.conn.close();
    assert_eq!(shutdown.await.expect("no panic").0, Drained::Whole);
}

#[tokio::test(start_paused = true)]
async fn a_running_request_ends_and_its_answer_says_close() {
    let site = Site::new(slow());
    let mut busy = site.connect().await;
    // The second is not begun any more.
    busy.send(GET.repeat(2)).await;
    sleep(secs(3)).await;
    let shutdown = begin(&site.server, 30).await;
    busy.answer().await.expect(200, &CLOSING, "done");
    busy.expect_end().await;
    busy.conn.close();
    let (drained, took) = shutdown.await.expect("no panic");
    assert_eq!(drained, Drained::Whole);
    assert!(took >= ms(6990) && took <= ms(7010), "{took:?}");
    let stats = site.server.stats();
    assert_eq!((stats.open_connections, stats.requests, stats.cancelled), (0, 1, 0));
}

/// A client that is slow to close its end does not hold the server up.
#[tokio::test(start_paused = true)]
async fn a_client_that_has_its_answer_and_stays_does_not_hold_the_server_up() {
    let site = Site::new(slow());
    let mut busy = site.connect().await;
    busy.send(GET).await;
    sleep(secs(3)).await;
    let shutdown = begin(&site.server, 30).await;
    busy.answer().await.expect(200, &CLOSING, "done");
    busy.expect_end().await;
    let (drained, took) = shutdown.await.expect("no panic");
    assert_eq!(drained, Drained::Whole);
    assert!(took <= ms(7100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_running_upload_and_a_streamed_answer_are_let_end() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let (feed, body) = by_hand();
        tokio::spawn(async move {
            let (data, _) = read_all(request.into_body()).await.expect("a body");
            feed.data(format!("{} bytes ", data.len()));
            sleep(secs(5)).await;
            feed.data("done");
        });
        Response::new(body)
    }));
    let mut busy = site.connect().await;
    busy.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n01234").await;
    settle().await;
    let shutdown = begin(&site.server, 30).await;
    sleep(secs(1)).await;
    let answer = busy.ask("56789").await;
    assert_eq!(answer.text(), "10 bytes done");
    // Its head was sent before the shutdown: it could not say so, and yet the connection ends.
    busy.expect_end().await;
    busy.conn.close();
    assert_eq!(shutdown.await.expect("no panic").0, Drained::Whole);
}

#[tokio::test(start_paused = true)]
async fn what_runs_at_the_deadline_is_cut_short() {
    let calls = Calls::default();
    let noted = calls.clone();
    let site = Site::new(handler(move |_| {
        let noted = noted.note_drop("dropped");
        async move {
            sleep(secs(3600)).await;
            drop(noted);
            text("never")
        }
    }));
    let mut busy = site.connect().await;
    let mut half = site.connect().await;
    busy.send(GET).await;
    half.send("GET / HT").await;
    settle().await;
    let begun = Instant::now();
    assert_eq!(site.server.shutdown(secs(5)).await, Drained::CutShort);
    expect_on_time(begun, secs(5));
    assert_eq!(calls.list(), ["dropped"]);
    assert_eq!(busy.rest().await.0, "");
    assert_eq!(half.rest().await.0, "");
    let stats = site.server.stats();
    assert_eq!((stats.open_connections, stats.cancelled), (0, 1));
}

/// To an old client the end of the connection is the end of the answer.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_short_does_not_look_whole() {
    let site = Site::new(handler(async |_| {
        let (feed, body) = by_hand();
        feed.data("a beginning");
        tokio::spawn(async move { feed.dropped().await });
        Response::new(body)
    }));
    let mut old = site.connect().await;
    let mut new = site.connect().await;
    old.send("GET / HTTP/1.0\r\n\r\n").await;
    new.send(GET).await;
    settle().await;
    assert_eq!(site.server.shutdown(secs(1)).await, Drained::CutShort);
    assert_eq!(old.rest_bytes().await.1, End::Reset);
    let (bytes, _) = new.rest_bytes().await;
    assert!(!bytes.ends_with(b"0\r\n\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_zero_ends_everything_now() {
    let site = Site::new(slow());
    let mut busy = site.connect().await;
    busy.send(GET).await;
    settle().await;
    let begun = Instant::now();
    assert_eq!(site.server.shutdown(ms(0)).await, Drained::CutShort);
    assert!(begun.elapsed() <= ms(2), "{:?}", begun.elapsed());
    assert_eq!(site.server.stats().open_connections, 0);
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn shutdown_works_before_any_connection_and_twice() {
    let site = Site::new(quick());
    let begun = Instant::now();
    for _ in 0..2 {
        assert_eq!(site.server.shutdown(secs(30)).await, Drained::Whole);
        site.server.wait().await;
    }
    assert!(begun.elapsed() <= ms(1));
    assert_eq!(site.network.stats().listeners, 0);
}

#[tokio::test(start_paused = true)]
async fn two_shutdowns_at_a_time_both_end_by_the_earlier_deadline() {
    let site = Site::new(slow());
    let mut busy = site.connect().await;
    busy.send(GET).await;
    settle().await;
    let begun = Instant::now();
    let patient = begin(&site.server, 30).await;
    assert_eq!(site.server.shutdown(secs(2)).await, Drained::CutShort);
    // However it ended, it had to be soon.
    let _ = patient.await.expect("no panic");
    assert!(begun.elapsed() <= ms(2010), "{:?}", begun.elapsed());
    assert_eq!(site.server.stats().open_connections, 0);
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_is_given_up_has_begun_and_a_later_one_ends_it() {
    let site = Site::new(slow());
    let mut busy = site.connect().await;
    let mut idle = site.connect().await;
    busy.send(GET).await;
    settle().await;
    assert!(tokio::time::timeout(ms(1), site.server.shutdown(secs(30))).await.is_err());
    idle.expect_end().await;
    let begun = Instant::now();
    assert_eq!(site.server.shutdown(secs(2)).await, Drained::CutShort);
    expect_on_time(begun, secs(2));
    assert_eq!(busy.rest().await.0, "");
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_first_byte_has_come_is_served() {
    let site = Site::new(quick());
    let mut peer = site.connect().await;
    peer.send(&GET[..10]).await;
    settle().await;
    let shutdown = begin(&site.server, 30).await;
    peer.ask(&GET[10..]).await.expect(200, &CLOSING, "done");
    peer.expect_end().await;
    peer.conn.close();
    assert_eq!(shutdown.await.expect("no panic").0, Drained::Whole);
}

#[tokio::test(start_paused = true)]
async fn a_server_can_take_the_address_of_one_that_has_ended() {
    let network = Network::default();
    for _ in 0..3 {
        let server = Server::new(quick()).listen("sim:alpha:80", network.clone());
        let server = server.workers(3).spawn().expect("a free address");
        assert_eq!(network.stats().listeners, 3);
        assert_eq!(server.shutdown(secs(1)).await, Drained::Whole);
        assert_eq!(network.stats().listeners, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn all_workers_and_all_addresses_end() {
    let network = Network::default();
    let server = Server::new(quick()).workers(4);
    let server =
        server.listen("sim:alpha:1", network.clone()).listen("sim:beta:2", network.clone());
    let server = server.spawn().expect("free addresses");
    assert_eq!(server.local_addrs().len(), 2);
    let mut peers = Vec::new();
    for number in 0..20 {
        let addr = &server.local_addrs()[number % 2];
        let conn = network.dial_timeout(addr, None).await.expect("a connection");
        let mut peer = crate::support::Peer::new(conn, secs(1000));
        peer.ask(GET).await.expect(200, &[("content-length", "4")], "done");
        peers.push(peer);
    }
    assert_eq!(server.shutdown(secs(1)).await, Drained::Whole);
    for peer in &mut peers {
        peer.expect_end().await;
    }
    assert_eq!(server.stats().open_connections, 0);
    drop(peers);
    assert_eq!(network.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_cannot_be_listened_on_leaves_nothing_behind() {
    let network = Network::default();
    let first = Server::new(quick()).listen("sim:alpha:1", network.clone());
    let first = first.spawn().expect("a free address");
    let second = Server::new(quick()).listen("sim:alpha:2", network.clone());
    let error = second.listen("sim:alpha:1", network.clone()).spawn().expect_err("it is taken");
    assert_eq!(*error.kind(), ErrorKind::AddrInUse);
    assert_eq!(network.stats().listeners, 1, "not the second's first address either");
    let wrong = Server::new(quick()).listen("not an address", network.clone()).spawn();
    assert_eq!(*wrong.expect_err("it is none").kind(), ErrorKind::InvalidInput);
    let none = Server::new(quick()).spawn();
    assert_eq!(*none.expect_err("there is none").kind(), ErrorKind::InvalidInput);
    assert_eq!(first.shutdown(secs(1)).await, Drained::Whole);
}
