//! What becomes of a handler whose client resets its stream or goes.

use dipole_http::{HttpService, WhenClientLeaves};
use tokio::time::sleep;

use super::client::*;
use crate::support::{Calls, Site, handler, secs, settle, text};

fn noting(calls: &Calls) -> impl HttpService {
    let calls = calls.clone();
    handler(move |_| {
        let calls = calls.clone();
        async move {
            let _dropped = calls.note_drop("dropped");
            sleep(secs(10)).await;
            calls.note("finished");
            text("done")
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_reset_stream_or_a_lost_connection_cancels_its_handlers() {
    let calls = Calls::default();
    let site = Site::new(noting(&calls));
    let (mut client, connection) = connect(&site).await;
    let request = || get("/").body(()).expect("a request");
    let (_response, mut stream) = client.send_request(request(), true).expect("a stream");
    let (_response, _stream) = client.send_request(request(), true).expect("a stream");
    settle().await;
    assert_eq!(calls.count(), 0);
    stream.send_reset(h2::Reason::CANCEL);
    settle().await;
    assert_eq!(calls.list(), ["dropped"]);
    connection.abort();
    settle().await;
    assert_eq!(calls.list(), ["dropped", "dropped"]);
    let stats = site.server.stats();
    assert_eq!((stats.cancelled, stats.open_connections), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn handlers_run_to_their_end_where_that_is_asked_for() {
    let calls = Calls::default();
    let site = Site::configured(noting(&calls), |config| {
        config.when_client_leaves = WhenClientLeaves::FinishHandler;
    });
    let (mut client, connection) = connect(&site).await;
    let request = get("/").body(()).expect("a request");
    let (_response, _stream) = client.send_request(request, true).expect("a stream");
    settle().await;
    connection.abort();
    sleep(secs(11)).await;
    assert_eq!(calls.list(), ["finished", "dropped"]);
    assert_eq!(site.server.stats().cancelled, 0);
}
