//! What becomes of a handler whose client resets its stream or goes.

use dipole_http::{HttpService, WhenClientLeaves};
use dipole_net::SendStreamExt;
use tokio::time::sleep;

use super::client::*;
use crate::codec::code;
use crate::support::{Calls, handler, ms, secs, text};

fn noting(calls: &Calls) -> impl HttpService {
    let calls = calls.clone();
    handler(move |_| {
        let calls = calls.clone();
        async move {
            let _dropped = calls.note_drop("dropped");
            sleep(secs(1)).await;
            calls.note("finished");
            text("done")
        }
    })
}

/// Waits until `count` calls were noted.
async fn noted(calls: &Calls, count: usize) -> Vec<String> {
    for _ in 0..200 {
        if calls.list().len() >= count {
            break;
        }
        sleep(ms(10)).await;
    }
    calls.list().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stopped_stream_or_a_lost_connection_cancels_its_handlers() {
    let calls = Calls::default();
    let site = Site::new(noting(&calls));
    let client = site.connect().await;
    let mut first = client.begin("GET", "/", &[]).await;
    first.send.close().await.unwrap();
    let mut second = client.begin("POST", "/", &[]).await;
    second.send.write_all(&data(b"begun")).await.unwrap();
    while site.server.stats().requests < 2 {
        sleep(ms(5)).await;
    }
    first.receive.cancel_read(code::REQUEST_CANCELLED);
    assert_eq!(noted(&calls, 1).await, ["dropped"]);
    client.conn.close_with_error(code::NO_ERROR, b"");
    assert_eq!(noted(&calls, 2).await, ["dropped", "dropped"]);
    sleep(ms(50)).await;
    let stats = site.server.stats();
    assert_eq!((stats.cancelled, stats.open_connections), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn handlers_run_to_their_end_where_that_is_asked_for() {
    let calls = Calls::default();
    let site = Site::configured(noting(&calls), |config| {
        config.when_client_leaves = WhenClientLeaves::FinishHandler;
    });
    let client = site.connect().await;
    let mut stream = client.begin("GET", "/", &[]).await;
    stream.send.close().await.unwrap();
    while site.server.stats().requests < 1 {
        sleep(ms(5)).await;
    }
    client.conn.close_with_error(code::NO_ERROR, b"");
    assert_eq!(noted(&calls, 2).await, ["finished", "dropped"]);
    assert_eq!(site.server.stats().cancelled, 0);
}
