//! Servers that break the rules: never a hang past the deadline, never a wrong body, and the next
//! request is answered.

use std::time::Duration;

use dipole_net::{ErrorKind, Initiator, SendStreamExt};
use tokio::time::{Instant, timeout};

use crate::far::{bad, good, read, text};
use crate::far_http3::{Far3, Near3, configured, near_and_far};
use crate::wire::{DATA, ID_ERROR, PUSH_PROMISE, SETTINGS, answer, data, frame, head, integer};

const DEADLINE: Duration = Duration::from_millis(400);

/// How a response ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// In order.
    Stream,
    Reset(u64),
    Connection(u64),
    /// Not at all.
    Never,
}

fn ok() -> Vec<u8> {
    head(&[(":status", "200")])
}

/// What servers may send in place of a response, and never to be taken for one.
fn scripts() -> Vec<(&'static str, Vec<u8>, End)> {
    let cut = |bytes: Vec<u8>, less: usize| bytes[..bytes.len() - less].to_vec();
    let part = || [ok(), data("part")].concat();
    let mut scripts = vec![
        ("nothing", Vec::new(), End::Stream),
        ("nothing, ever", Vec::new(), End::Never),
        ("half a head", cut(ok(), 3), End::Stream),
        ("half a head, then nothing", cut(ok(), 3), End::Never),
        ("a body that is cut within a frame", cut(part(), 2), End::Stream),
        ("a body that is cut at a frame's head", [part(), integer(DATA)].concat(), End::Stream),
        ("a frame whose data never comes", [ok(), integer(DATA), integer(9)].concat(), End::Never),
        ("data before a head", data("x"), End::Stream),
        ("settings for a response", frame(SETTINGS, &[]), End::Stream),
        ("settings within a body", [part(), frame(SETTINGS, &[])].concat(), End::Stream),
        ("a frame of HTTP/2", [ok(), frame(0x06, b"ping")].concat(), End::Stream),
        ("data after trailers", [part(), head(&[("x", "y")]), data("z")].concat(), End::Stream),
        ("no status", head(&[("x", "y")]), End::Stream),
        ("a status that is none", head(&[(":status", "abc")]), End::Stream),
        ("a name in capitals", head(&[(":status", "200"), ("X-A", "y")]), End::Stream),
        ("a value with a line end", head(&[(":status", "200"), ("x", "a\r\nb")]), End::Stream),
        ("a switch of protocols", head(&[(":status", "101")]), End::Stream),
        ("a length that is none", length_of(&["x"]), End::Stream),
        ("a length with a sign", length_of(&["+2"]), End::Stream),
        ("two lengths", length_of(&["2", "3"]), End::Stream),
        ("more than it said", [length_of(&["1"]), data("ab")].concat(), End::Stream),
        ("less than it said", [length_of(&["3"]), data("ab")].concat(), End::Stream),
        ("a length and no body", length_of(&["3"]), End::Stream),
        ("a head of the dynamic table", frame(0x01, &[2, 0, 0x80]), End::Stream),
        ("a head that is noise", frame(0x01, &[0xff; 40]), End::Stream),
        ("a huge frame", [integer(0x01), integer(1 << 40)].concat(), End::Never),
        ("a huge frame of no meaning", [integer(0x21), integer(1 << 40)].concat(), End::Never),
        ("interim responses alone", head(&[(":status", "103")]), End::Stream),
    ];
    for code in (0x100..=0x110).chain([0, 0x200, 1 << 40]) {
        scripts.push(("a reset before the head", Vec::new(), End::Reset(code)));
        scripts.push(("a reset within the body", part(), End::Reset(code)));
        scripts.push(("a close before the head", Vec::new(), End::Connection(code)));
        scripts.push(("a close within the body", part(), End::Connection(code)));
    }
    scripts
}

fn length_of(values: &[&str]) -> Vec<u8> {
    let mut fields = vec![(":status", "200")];
    fields.extend(values.iter().map(|value| ("content-length", *value)));
    head(&fields)
}

/// Serves the first request by the script, and each other well.
async fn serve(mut far: Far3, bytes: Vec<u8>, end: End) {
    let mut is_first = true;
    loop {
        let peer = far.accept().await;
        loop {
            let mut got = match peer.try_next().await {
                Ok(got) => got,
                Err(error) if error.is_closed() => break,
                Err(error) => panic!("{error}"),
            };
            if !is_first {
                let _ = got.send.write_all(&answer("good")).await;
                let _ = got.send.close().await;
                continue;
            }
            is_first = false;
            let _ = got.send.write_all(&bytes).await;
            match end {
                End::Stream => drop(got.send.close().await),
                End::Reset(code) => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    got.send.cancel_write(code);
                }
                End::Connection(code) => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    peer.conn.close_with_error(code, b"");
                    break;
                }
                End::Never => {
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        drop(got);
                    });
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_response_is_never_taken_for_one_and_the_next_request_is_answered() {
    for (name, bytes, end) in scripts() {
        let (near, far): (Near3, Far3) =
            configured(|config| config.request_timeout = Some(DEADLINE));
        let serving = tokio::spawn(serve(far, bytes, end));
        let begin = Instant::now();
        let outcome = match near.get().await.expect("no panic") {
            Ok(response) => read(response).await.map(|(body, _)| body).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        // What the server has not looked at, or what was closed in order, may have been sent again.
        match &outcome {
            Ok(body) => assert_eq!(body, "good", "{name}, {end:?}"),
            Err(_) => assert!(begin.elapsed() < DEADLINE * 3, "{name}, {end:?}: {outcome:?}"),
        }
        let asked = near.get();
        let response = timeout(Duration::from_secs(5), good(asked)).await;
        let response = response.unwrap_or_else(|_| panic!("{name}, {end:?}: no answer"));
        assert_eq!(text(response).await, "good", "{name}, {end:?}");
        serving.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn interim_responses_without_end_are_given_up() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let peer = far.accept().await;
    let mut got = peer.next().await;
    let sending = tokio::spawn(async move {
        let interim = head(&[(":status", "103")]).repeat(10);
        while got.send.write_all(&interim).await.is_ok() {}
    });
    let error = bad(asked).await;
    assert!(error.to_string().contains("without end"), "{error}");
    timeout(Duration::from_secs(5), sending).await.expect("it is stopped").expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_on_the_control_stream_ends_the_connection_and_another_one_serves() {
    let wrong = [
        ("a second SETTINGS", frame(SETTINGS, &[])),
        ("data", data("x")),
        ("a GOAWAY of a stream that is no request's", frame(0x07, &integer(3))),
        ("a huge frame", [integer(0x04), integer(1 << 40)].concat()),
        ("a frame of HTTP/2", frame(0x08, b"")),
    ];
    for (name, bytes) in wrong {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let one = far.accept().await;
        let _got = one.next().await;
        one.control(&bytes).await;
        // The request may be sent again: nobody knows it to be answered.
        let closed = one.closed().await;
        drop(asked);
        let asked = near.get();
        let two = far.accept().await;
        two.serve(&answer("two")).await;
        assert_eq!(text(good(asked).await).await, "two", "{name}: {closed}");
    }
}

/// RFC 9114 sections 4.6 and 7.2.5: the client has never sent MAX_PUSH_ID, so no promise is allowed,
/// and no stream that would keep it.
#[tokio::test(start_paused = true)]
async fn a_push_that_nobody_asked_for_ends_the_connection_and_another_one_serves() {
    // `:method: GET`, `:scheme: https`, `:path: /` and `:authority: a`.
    let promise = frame(PUSH_PROMISE, b"\x00\x00\x00\xd1\xd7\xc1\x50\x01a");
    let pushed = [integer(0x01), integer(0), answer("pushed")].concat();
    for (on_request, on_push) in [
        ([promise.clone(), answer("asked")].concat(), None),
        ([ok(), data("as"), promise.clone(), data("ked")].concat(), None),
        ([answer("asked"), promise.clone()].concat(), None),
        ([promise, answer("asked")].concat(), Some(pushed.clone())),
        (Vec::new(), Some(pushed)),
    ] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let one = far.accept().await;
        let mut got = one.next().await;
        let mut push = one.conn.open_uni_stream().expect("credit");
        got.send(&on_request).await;
        if let Some(bytes) = &on_push {
            // The client may have gone by now.
            let _ = push.write_all(bytes).await;
        }
        let outcome = match asked.await.expect("no panic") {
            Ok(response) => read(response).await.map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        assert!(outcome.is_err(), "{on_request:x?}");
        let closed = one.closed().await;
        let by_client = matches!(
            closed.kind(),
            ErrorKind::Application { code: ID_ERROR, by: Initiator::Peer, .. }
        );
        assert!(by_client, "{on_request:x?}, {on_push:x?}: {closed:?}");
        let asked = near.get();
        let two = far.accept().await;
        two.serve(&answer("two")).await;
        assert_eq!(text(good(asked).await).await, "two");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_settings_is_served_nevertheless_as_long_as_it_answers() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let peer = far.accept_silent().await;
    peer.serve(&answer("hi")).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_ends_at_any_byte_but_its_last_is_not_whole() {
    let whole = [ok(), data("some"), data("thing"), head(&[("x-sum", "1")])].concat();
    // Where the stream may end without a word missing: after the head, and after each frame.
    let frames = [ok(), data("some"), data("thing"), head(&[("x-sum", "1")])];
    let mut ends = Vec::new();
    for frame in &frames {
        ends.push(ends.last().unwrap_or(&0) + frame.len());
    }
    for length in 0..=whole.len() {
        for end in [End::Stream, End::Reset(0x102), End::Connection(0x102), End::Never] {
            let (near, mut far) = configured(|config| config.request_timeout = Some(DEADLINE));
            let asked = near.get();
            let peer = far.accept().await;
            let mut got = peer.next().await;
            got.send(&whole[..length]).await;
            match end {
                End::Stream => got.send.close().await.expect("the client is there"),
                End::Reset(code) => got.send.cancel_write(code),
                End::Connection(code) => peer.conn.close_with_error(code, b""),
                End::Never => {}
            }
            let begin = Instant::now();
            let outcome = match asked.await.expect("no panic") {
                Ok(response) => read(response).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            assert!(begin.elapsed() <= DEADLINE, "{length} of {}, {end:?}", whole.len());
            let may_be_whole = matches!(end, End::Stream) && ends.contains(&length);
            let (body, _) = match outcome {
                Ok(outcome) if may_be_whole => outcome,
                Err(_) if !may_be_whole => continue,
                other => panic!("{length} of {}, {end:?}: {other:?}", whole.len()),
            };
            let at = ends.iter().position(|end| *end == length).expect("a frame's end");
            assert_eq!(body, ["", "some", "something", "something"][at]);
        }
    }
}
