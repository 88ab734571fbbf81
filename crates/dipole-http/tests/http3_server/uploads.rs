//! Bodies that a handler does not read, or that are beyond a limit.

use dipole_net::{ErrorKind, SendStreamExt};
use http::StatusCode;

use super::client::*;
use crate::codec::code;
use crate::support::{handler, ms, secs, text};

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_what_nobody_reads_is_stopped_without_a_fault() {
    let site = Site::new(handler(async |_| text("enough")));
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/", &[]).await;
    let body = data(&vec![0; 20_000_000]);
    let error = stream.send.write_all(&body).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::StreamStopped { code: code::NO_ERROR });
    let answer = answer(&mut stream.receive).await.unwrap();
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "enough"));
    // The connection goes on.
    assert_eq!(client.ask("GET", "/", b"").await.unwrap().status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_short_body_that_nobody_reads_is_taken_whole() {
    let site = Site::new(handler(async |_| text("enough")));
    let client = site.connect().await;
    for fields in [&[][..], &[("content-length", "250000")]] {
        let mut stream = client.begin("POST", "/", fields).await;
        let answer = answer(&mut stream.receive).await.unwrap();
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "enough"));
        // Chromium looks at no answer before all of this is gone.
        for piece in data(&vec![0; 250_000]).chunks(50_000) {
            tokio::time::sleep(ms(100)).await;
            stream.send.write_all(piece).await.unwrap();
        }
        stream.send.close().await.unwrap();
        assert_eq!(stream.send.stopped().await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_and_that_does_not_come_is_given_up_in_time() {
    let site = Site::new(handler(async |_| text("enough")));
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/", &[]).await;
    let before = tokio::time::Instant::now();
    assert_eq!(stream.send.stopped().await.unwrap(), Some(code::NO_ERROR));
    assert!((secs(2)..ms(2100)).contains(&before.elapsed()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_says_to_be_too_long_to_be_thrown_away_is_stopped_at_once() {
    let site = Site::configured(handler(async |_| text("enough")), |config| {
        config.http3.max_drain_bytes = 256 * 1024;
    });
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/", &[("content-length", "262145")]).await;
    let before = tokio::time::Instant::now();
    assert_eq!(stream.send.stopped().await.unwrap(), Some(code::NO_ERROR));
    assert!(before.elapsed() < ms(100), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_of_a_body_is_taken_as_browsers_need_it() {
    let site = Site::new(handler(async |_| text("enough")));
    let client = site.connect().await;
    let length = 10_000_000;
    let mut stream = client.begin("POST", "/", &[("content-length", &length.to_string())]).await;
    // All of the request before a look at the answer.
    stream.send.write_all(&data(&vec![b'x'; length])).await.unwrap();
    stream.send.close().await.unwrap();
    assert_eq!(stream.send.stopped().await.unwrap(), None);
    assert_eq!(answer(&mut stream.receive).await.unwrap().text(), "enough");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_read_no_faster_than_its_handler_does() {
    let site = Site::new(handler(async |_request| {
        tokio::time::sleep(secs(3600)).await;
        text("never")
    }));
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/", &[]).await;
    let body = data(&vec![0; 20_000_000]);
    let mut taken = 0;
    // One stream's window is a mebibyte; the client's own buffer takes some more.
    while let Ok(written) = tokio::time::timeout(ms(300), stream.send.write(&body[taken..])).await {
        taken += written.unwrap();
    }
    assert!((1_000_000..4_000_000).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_limit_is_413() {
    let site = Site::configured(reading(), |config| config.max_body_bytes = Some(1000));
    let client = site.connect().await;
    let mut declared = client.begin("POST", "/", &[("content-length", "1001")]).await;
    assert_eq!(answer(&mut declared.receive).await.unwrap().status, StatusCode::PAYLOAD_TOO_LARGE);
    let streamed = client.ask("POST", "/", &[b'x'; 1001]).await.unwrap();
    assert_eq!(streamed.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(client.ask("POST", "/", &[b'x'; 1000]).await.unwrap().status, StatusCode::OK);
    assert_eq!(site.server.stats().rejected, 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_than_it_says_is_malformed() {
    let site = Site::new(reading());
    let client = site.connect().await;
    for body in [&b"long"[..], b"s"] {
        let mut stream = client.begin("POST", "/", &[("content-length", "3")]).await;
        stream.send.write_all(&data(body)).await.unwrap();
        stream.send.close().await.unwrap();
        assert_eq!(reset_code(&mut stream.receive).await, code::MESSAGE_ERROR);
    }
}
