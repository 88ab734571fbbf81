//! Clients that keep the server busy with what asks for nothing, or is not waited for.

use dipole_net::SendStreamExt;
use tokio::time::sleep;

use super::client::*;
use crate::codec::{code, frames};
use crate::support::{handler, ms, secs, text};

/// Unknown, and reserved for that (RFC 9114 section 7.2.8).
const UNKNOWN: u64 = 0x21;
/// RFC 9218 section 7.2.
const PRIORITY_UPDATE: u64 = 0xf0700;

fn site() -> Site {
    Site::configured(handler(async |_| text("done")), |config| {
        config.http3.max_control_frames = 100;
        config.http3.max_resets = 20;
    })
}

/// A handler that takes its time.
fn slow() -> Site {
    let service = handler(async |_| {
        sleep(secs(5)).await;
        text("done")
    });
    Site::configured(service, |config| config.http3.max_resets = 20)
}

/// Begins a request and breaks it off.
async fn reset(client: &Client) {
    let mut stream = client.begin("GET", "/", &[]).await;
    sleep(ms(1)).await;
    stream.receive.cancel_read(code::REQUEST_CANCELLED);
    stream.send.cancel_write(code::REQUEST_CANCELLED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_begins_requests_and_breaks_them_off_again_and_again_is_sent_away() {
    let site = slow();
    let client = site.connect().await;
    for _ in 0..21 {
        reset(&client).await;
    }
    assert_eq!(client.closed_with().await, code::EXCESSIVE_LOAD);
    assert_eq!(site.server.stats().rejected, 1);
    // Others are served.
    let client = site.connect().await;
    assert_eq!(client.ask("GET", "/", b"").await.unwrap().text(), "done");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_with_many_requests_under_way_is_no_flood() {
    let site = slow();
    let client = site.connect().await;
    let mut streams = Vec::new();
    for _ in 0..60 {
        streams.push(client.begin("GET", "/", &[]).await);
    }
    sleep(ms(10)).await;
    client.conn.close_with_error(code::NO_ERROR, b"");
    sleep(ms(100)).await;
    let stats = site.server.stats();
    assert_eq!((stats.rejected, stats.cancelled), (0, 60));
}

#[tokio::test(start_paused = true)]
async fn a_reset_before_the_head_counts_too() {
    let site = site();
    let client = site.connect().await;
    for _ in 0..21 {
        let mut stream = client.conn.open_stream_sync().await.unwrap();
        stream.send.write_all(&[0x01]).await.unwrap();
        sleep(ms(1)).await;
        stream.send.cancel_write(code::REQUEST_CANCELLED);
    }
    assert_eq!(client.closed_with().await, code::EXCESSIVE_LOAD);
}

#[tokio::test(start_paused = true)]
async fn resets_are_forgiven_in_time_and_made_up_for_by_answers() {
    let site = slow();
    let client = site.connect().await;
    for _ in 0..10 {
        for _ in 0..15 {
            reset(&client).await;
        }
        sleep(secs(11)).await;
    }
    let site = site_of_both();
    let client = site.connect().await;
    for _ in 0..60 {
        let mut stream = client.begin("GET", "/slow", &[]).await;
        assert_eq!(client.ask("GET", "/", b"").await.unwrap().text(), "done");
        stream.receive.cancel_read(code::REQUEST_CANCELLED);
    }
    assert_eq!(client.ask("GET", "/", b"").await.unwrap().text(), "done");
}

fn site_of_both() -> Site {
    let service = handler(async |request: http::Request<dipole_http::Body>| {
        if request.uri().path() == "/slow" {
            sleep(secs(5)).await;
        }
        text("done")
    });
    Site::configured(service, |config| config.http3.max_resets = 20)
}

#[tokio::test(start_paused = true)]
async fn floods_of_frames_that_ask_for_nothing_on_a_request_end_the_connection() {
    for flood in [frame(UNKNOWN, b""), frame(UNKNOWN, b"grease"), frame(frames::DATA, b"")] {
        for is_before_head in [true, false] {
            let site = Site::configured(reading(), |config| config.http3.max_control_frames = 100);
            let client = site.connect().await;
            let mut stream = match is_before_head {
                true => client.conn.open_stream().unwrap(),
                false => client.begin("POST", "/", &[]).await,
            };
            for _ in 0..101 {
                if stream.send.write_all(&flood).await.is_err() {
                    break;
                }
            }
            assert_eq!(client.closed_with().await, code::EXCESSIVE_LOAD, "{flood:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn floods_on_the_control_stream_end_the_connection() {
    for flood in [
        frame(UNKNOWN, b""),
        frame(PRIORITY_UPDATE, b"\x00u=1"),
        frame(frames::MAX_PUSH_ID, b"\x05"),
        frame(frames::GOAWAY, b"\x00"),
    ] {
        let site = site();
        let client = site.connect_bare().await;
        let mut control = client.conn.open_uni_stream().unwrap();
        control.write_all(b"\x00\x04\x00").await.unwrap();
        for _ in 0..101 {
            if control.write_all(&flood).await.is_err() {
                break;
            }
        }
        assert_eq!(client.closed_with().await, code::EXCESSIVE_LOAD, "{flood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_cannot_be_cancelled_not_even_once() {
    let site = site();
    let client = site.connect_bare().await;
    let mut control = client.conn.open_uni_stream().unwrap();
    control.write_all(b"\x00\x04\x00\x03\x01\x00").await.unwrap();
    assert_eq!(client.closed_with().await, code::ID_ERROR);
}

#[tokio::test(start_paused = true)]
async fn streams_of_unknown_types_one_after_the_other_end_the_connection() {
    for begin in [&b"\x40\x54abc"[..], b""] {
        let site = site();
        let client = site.connect().await;
        for _ in 0..101 {
            let Ok(mut stream) = client.conn.open_uni_stream_sync().await else { break };
            let _ = stream.write_all(begin).await;
            let _ = stream.close().await;
        }
        assert_eq!(client.closed_with().await, code::EXCESSIVE_LOAD, "{begin:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_go_with_requests_are_no_flood() {
    let site = site();
    let client = site.connect_bare().await;
    let mut control = client.conn.open_uni_stream().unwrap();
    control.write_all(b"\x00\x04\x00").await.unwrap();
    for _ in 0..200 {
        // As browsers do.
        control.write_all(&frame(PRIORITY_UPDATE, b"\x00u=1")).await.unwrap();
        control.write_all(&frame(UNKNOWN, b"grease")).await.unwrap();
        assert_eq!(client.ask("GET", "/", b"").await.unwrap().text(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_on_the_streams_of_qpack_ends_the_connection() {
    for (kind, instruction) in [(0x02, 0x20), (0x03, 0x40)] {
        let site = site();
        let client = site.connect().await;
        let mut stream = client.conn.open_uni_stream().unwrap();
        let sent = [&[kind][..], &[instruction; 50]].concat();
        stream.write_all(&sent).await.unwrap();
        assert_eq!(client.ask("GET", "/", b"").await.unwrap().text(), "done");
        stream.write_all(&[instruction; 150]).await.unwrap();
        assert_eq!(client.closed_with().await, code::EXCESSIVE_LOAD, "stream {kind}");
        assert_eq!(site.server.stats().rejected, 1);
    }
}
