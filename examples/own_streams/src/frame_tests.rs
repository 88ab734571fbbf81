//! Frames at every split, and frames that are none.

use super::*;

fn samples() -> Vec<Frame> {
    let hello = Hello { streams: [100, 16], stream_window: 7, connection_window: 9, idle: 30_000 };
    let reason = Bytes::from_static(b"enough");
    vec![
        Frame::Hello(hello),
        Frame::Data { id: 4, data: Bytes::from_static(b"hello"), is_last: false },
        Frame::Data { id: LARGEST, data: Bytes::from_static(b"!"), is_last: true },
        Frame::Data { id: 0, data: Bytes::new(), is_last: true },
        Frame::Window { id: 5, more: 1 },
        Frame::ConnectionWindow { more: LARGEST },
        Frame::Streams { kind: Kind::Bidi, more: 1 },
        Frame::Streams { kind: Kind::Uni, more: 2 },
        Frame::Reset { id: 1, code: 77 },
        Frame::Stop { id: 2, code: 0 },
        Frame::Finished { id: 3 },
        Frame::Ping,
        Frame::Pong,
        Frame::Close(Close::Application { code: LARGEST, reason }),
        Frame::Close(Close::Violation),
        Frame::Close(Close::Idle),
    ]
}

fn encoded(frames: Vec<Frame>) -> Vec<u8> {
    let mut all = Vec::new();
    for frame in frames {
        let mut out = BytesMut::new();
        let data = frame.encode(&mut out);
        all.extend_from_slice(&out);
        all.extend_from_slice(&data);
    }
    all
}

/// Takes the whole frames off the front, as a reader of the stream does.
fn take(held: &mut Vec<u8>, frames: &mut Vec<Frame>) -> Result<(), Malformed> {
    while let Some(header) = Header::decode(held)? {
        if held.len() < HEADER + header.length {
            return Ok(());
        }
        let rest = held.split_off(HEADER + header.length);
        let whole = std::mem::replace(held, rest);
        frames.push(Frame::decode(header, Bytes::from(whole).slice(HEADER..))?);
    }
    Ok(())
}

#[test]
fn frames_are_the_same_at_every_split() {
    let all = encoded(samples());
    for at in 0..=all.len() {
        let (mut held, mut frames) = (all[..at].to_vec(), Vec::new());
        take(&mut held, &mut frames).expect("frames");
        held.extend_from_slice(&all[at..]);
        take(&mut held, &mut frames).expect("frames");
        assert_eq!((frames, held.len()), (samples(), 0), "split at {at}");
    }
}

#[test]
fn frames_are_the_same_byte_by_byte() {
    let (mut held, mut frames) = (Vec::new(), Vec::new());
    for byte in encoded(samples()) {
        held.push(byte);
        take(&mut held, &mut frames).expect("frames");
    }
    assert_eq!(frames, samples());
}

#[test]
fn a_changed_byte_is_another_frame_or_an_error_and_never_a_panic() {
    let (mut errors, mut others) = (0, 0);
    for sample in samples() {
        let whole = encoded(vec![sample.clone()]);
        for at in 0..whole.len() {
            for flip in 1..=255 {
                let (mut held, mut frames) = (whole.clone(), Vec::new());
                held[at] ^= flip;
                match take(&mut held, &mut frames) {
                    Ok(()) => {
                        assert_ne!(frames.first(), Some(&sample), "byte {at} says nothing");
                        others += 1;
                    }
                    Err(_) => errors += 1,
                }
            }
        }
    }
    assert!(errors > 1000 && others > 1000, "{errors} errors, {others} others");
}

#[test]
fn a_payload_cut_short_is_an_error() {
    for sample in samples() {
        let whole = encoded(vec![sample.clone()]);
        for length in 0..whole.len() - HEADER {
            let mut bytes = whole[..HEADER + length].to_vec();
            bytes[4..8].copy_from_slice(&(length as u32).to_be_bytes());
            let decoded = take(&mut bytes, &mut Vec::new());
            // Data and reasons have any length.
            let any =
                matches!(sample, Frame::Data { .. } | Frame::Close(Close::Application { .. }));
            assert!(any || decoded.is_err(), "{sample:?} cut to {length}");
        }
    }
}

#[test]
fn a_payload_that_is_too_long_is_refused_by_its_header() {
    let mut bytes = encoded(vec![Frame::Ping]);
    bytes[4..8].copy_from_slice(&(LONGEST as u32 + 1).to_be_bytes());
    assert_eq!(Header::decode(&bytes), Err(Malformed("a payload that is too long")));
}
