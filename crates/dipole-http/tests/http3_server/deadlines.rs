//! The server's deadlines.

use dipole_http::Body;
use dipole_net::{ReceiveStreamExt, SendStreamExt};
use http::{Response, StatusCode};
use tokio::time::{Instant, sleep};

use super::client::*;
use crate::codec::code;
use crate::support::{handler, ms, secs, text};

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_408() {
    let site = Site::configured(handler(async |_| text("done")), |config| {
        config.header_timeout = Some(ms(200));
    });
    let client = site.connect().await;
    let mut stream = client.conn.open_stream().unwrap();
    stream.send.write_all(&[0x01, 0x20, 0x00]).await.unwrap();
    let answer = answer(&mut stream.receive).await.unwrap();
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(site.server.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_or_between_two_is_closed() {
    let site = Site::configured(handler(async |_| text("done")), |config| {
        config.header_timeout = Some(ms(200));
        config.idle_timeout = Some(ms(600));
        config.linger_timeout = ms(100);
    });
    let silent = site.connect().await;
    assert_eq!(silent.closed_with().await, code::NO_ERROR);
    let idle = site.connect().await;
    let begin = Instant::now();
    assert_eq!(idle.ask("GET", "/", b"").await.unwrap().status, StatusCode::OK);
    assert_eq!(idle.closed_with().await, code::NO_ERROR);
    assert!(begin.elapsed() >= ms(600), "{:?}", begin.elapsed());
    assert_eq!(site.server.stats().timed_out, 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_408() {
    let site = Site::configured(reading(), |config| config.body_timeout = Some(ms(200)));
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/", &[]).await;
    stream.send.write_all(&data(b"begun")).await.unwrap();
    let answer = answer(&mut stream.receive).await.unwrap();
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_503() {
    let site = Site::configured(
        handler(async |_| {
            sleep(secs(3600)).await;
            text("never")
        }),
        |config| config.request_timeout = Some(ms(200)),
    );
    let client = site.connect().await;
    let answer = client.ask("GET", "/", b"").await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_loses_its_response_and_no_other() {
    let site = Site::configured(
        handler(async |request| match request.uri().path() {
            "/" => text("done"),
            _ => Response::new(Body::full(vec![0; 20_000_000])),
        }),
        |config| config.write_timeout = Some(ms(300)),
    );
    let client = site.connect().await;
    let mut stream = client.begin("GET", "/large", &[]).await;
    stream.send.close().await.unwrap();
    // The client's window of the connection is larger than that of one stream.
    sleep(ms(700)).await;
    assert_eq!(client.ask("GET", "/", b"").await.unwrap().status, StatusCode::OK);
    while let Ok(Some(_)) = stream.receive.read().await {}
    assert_eq!(reset_code(&mut stream.receive).await, code::REQUEST_CANCELLED);
    assert_eq!(site.server.stats().timed_out, 1);
}
