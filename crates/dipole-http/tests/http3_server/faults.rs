//! What breaks the rules, and what is beyond a limit.

use dipole_net::{ReceiveStreamExt, SendStreamExt};
use http::StatusCode;

use super::client::*;
use crate::codec::{code, frames};
use crate::support::{handler, text};

fn site() -> Site {
    Site::configured(handler(async |_| text("done")), |config| {
        config.max_head_bytes = 4096;
        config.max_target_bytes = 1000;
    })
}

#[tokio::test(start_paused = true)]
async fn a_head_beyond_its_limits_is_refused_and_the_connection_goes_on() {
    let site = site();
    let client = site.connect().await;
    for length in [4000, 5000, 100_000] {
        let mut stream = client.begin("GET", "/", &[("x", &"x".repeat(length))]).await;
        let answer = answer(&mut stream.receive).await.unwrap();
        assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{length}");
    }
    let long = format!("/{}", "p".repeat(1000));
    assert_eq!(client.ask("GET", &long, b"").await.unwrap().status, StatusCode::URI_TOO_LONG);
    assert_eq!(client.ask("GET", "/", b"").await.unwrap().status, StatusCode::OK);
    assert_eq!(site.server.stats().rejected, 4);
}

#[tokio::test(start_paused = true)]
async fn malformed_requests_are_reset_and_the_connection_goes_on() {
    let site = site();
    let client = site.connect().await;
    let get = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")];
    for more in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("Upper", "case"),
        (":method", "GET"),
        (":status", "200"),
        (":unknown", "x"),
        ("host", "b"),
    ] {
        let mut stream = client.begin_with(&[&get[..], &[more]].concat()).await;
        assert_eq!(reset_code(&mut stream.receive).await, code::MESSAGE_ERROR, "{more:?}");
    }
    let mut stream = client.begin_with(&get[..3]).await;
    assert_eq!(reset_code(&mut stream.receive).await, code::MESSAGE_ERROR);
    assert_eq!(client.ask("GET", "/", b"").await.unwrap().status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_request_is_incomplete() {
    let site = site();
    let client = site.connect().await;
    let mut stream = client.conn.open_stream().unwrap();
    stream.send.close().await.unwrap();
    assert_eq!(reset_code(&mut stream.receive).await, code::REQUEST_INCOMPLETE);
}

#[tokio::test(start_paused = true)]
async fn broken_frames_end_the_connection_with_their_code() {
    let site = Site::new(reading());
    let get =
        head(&[(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]);
    let with = |more: &[u8]| [&get[..], more].concat();
    for (sent, expected) in [
        (data(b"first").to_vec(), code::FRAME_UNEXPECTED),
        (frame(frames::SETTINGS, b"").to_vec(), code::FRAME_UNEXPECTED),
        (frame(0x02, b"").to_vec(), code::FRAME_UNEXPECTED),
        // The length of what does not come.
        (vec![0x01, 0x05, 0x00], code::FRAME_ERROR),
        (with(&[0x00, 0x05, b'a']), code::FRAME_ERROR),
        (with(&frame(frames::GOAWAY, b"\x00")), code::FRAME_UNEXPECTED),
        // Of a dynamic table that there is not.
        (frame(frames::HEADERS, b"\x02\x00\x80").to_vec(), code::DECOMPRESSION_FAILED),
        (frame(frames::HEADERS, b"").to_vec(), code::DECOMPRESSION_FAILED),
    ] {
        let client = site.connect().await;
        let mut stream = client.conn.open_stream().unwrap();
        stream.send.write_all(&sent).await.unwrap();
        stream.send.close().await.unwrap();
        assert_eq!(client.closed_with().await, expected, "{sent:x?}");
    }
}

#[tokio::test(start_paused = true)]
async fn broken_control_streams_end_the_connection_with_their_code() {
    let site = site();
    for (sent, expected) in [
        (&[&b"\x00\x07\x01\x00"[..]][..], code::MISSING_SETTINGS),
        (&[b"\x00\x04\x00\x04\x00"], code::FRAME_UNEXPECTED),
        (&[b"\x00\x04\x02\x02\x00"], code::SETTINGS_ERROR),
        (&[b"\x00\x04\x00", b"\x00\x04\x00"], code::STREAM_CREATION_ERROR),
        (&[b"\x01\x00"], code::STREAM_CREATION_ERROR),
        (&[b"\x00\x04\xc0\x00\x00\x00\x40\x00\x00\x00"], code::EXCESSIVE_LOAD),
        // RFC 9204 3.2.3, 4.3.1: a capacity, and an insertion, where no table is allowed.
        (&[b"\x00\x04\x00", b"\x02\x3f\xe1\x1f"], code::ENCODER_STREAM_ERROR),
        (&[b"\x00\x04\x00", b"\x02\xc0\x01a"], code::ENCODER_STREAM_ERROR),
        // 4.4.1, 4.4.3: of what was never sent.
        (&[b"\x00\x04\x00", b"\x03\x80"], code::DECODER_STREAM_ERROR),
        (&[b"\x00\x04\x00", b"\x03\x01"], code::DECODER_STREAM_ERROR),
    ] {
        let client = site.connect_bare().await;
        let mut kept = Vec::new();
        for bytes in sent {
            let mut stream = client.conn.open_uni_stream().unwrap();
            stream.write_all(bytes).await.unwrap();
            kept.push(stream);
        }
        assert_eq!(client.closed_with().await, expected, "{sent:x?}");
    }
    let client = site.connect_bare().await;
    let mut control = client.conn.open_uni_stream().unwrap();
    control.write_all(b"\x00\x04\x00").await.unwrap();
    control.close().await.unwrap();
    assert_eq!(client.closed_with().await, code::CLOSED_CRITICAL_STREAM);
}

#[tokio::test(start_paused = true)]
async fn unknown_streams_frames_and_settings_are_passed_over() {
    let site = site();
    let client = site.connect_bare().await;
    let mut control = client.conn.open_uni_stream().unwrap();
    control.write_all(b"\x00\x04\x02\x21\x05\x21\x03abc\x0d\x01\x05").await.unwrap();
    let mut unknown = client.conn.open_uni_stream().unwrap();
    unknown.write_all(b"\x40\x54abc").await.unwrap();
    let mut encoder = client.conn.open_uni_stream().unwrap();
    // A capacity of nothing, and that two streams were given up.
    encoder.write_all(b"\x02\x20").await.unwrap();
    let mut decoder = client.conn.open_uni_stream().unwrap();
    decoder.write_all(b"\x03\x40\x7f\x00").await.unwrap();
    assert_eq!(unknown.stopped().await.unwrap(), Some(code::STREAM_CREATION_ERROR));
    let mut stream = client.begin("GET", "/", &[]).await;
    stream.send.write_all(&frame(0x21, b"grease")).await.unwrap();
    stream.send.close().await.unwrap();
    assert_eq!(answer(&mut stream.receive).await.unwrap().text(), "done");
}

#[tokio::test(start_paused = true)]
async fn the_server_says_its_settings_first() {
    let site = site();
    let client = site.connect_bare().await;
    let mut control = client.conn.accept_uni_stream().await.unwrap();
    let begin = control.read().await.unwrap().unwrap();
    // The type, SETTINGS, the limit of a field section, and extended CONNECT.
    assert_eq!(&begin[..], b"\x00\x04\x05\x06\x50\x00\x08\x01");
}
