//! What a peer may send, and what comes of it when it may not.

use bytes::Bytes;

use super::*;
use crate::frame::Frame;

const ALLOWED: Hello =
    Hello { streams: [2, 1], stream_window: 1000, connection_window: 1500, idle: 0 };

/// The listener's end of a connection: the peer's streams are 0, 4 and 2.
fn listener() -> State {
    State::new(End::Listener, ALLOWED, ALLOWED, 4000)
}

fn data(id: u64, length: usize) -> Frame {
    Frame::Data { id, data: Bytes::from(vec![7; length]), is_last: false }
}

fn end(id: u64) -> Frame {
    Frame::Data { id, data: Bytes::new(), is_last: true }
}

fn hear(state: &mut State, frames: impl IntoIterator<Item = Frame>) {
    for frame in frames {
        state.receive(frame, &mut Woken::default());
    }
}

#[test]
fn a_peer_that_breaks_the_protocol_ends_the_connection() {
    let broken: [(&str, Vec<Frame>); 14] = [
        ("a second hello", vec![Frame::Hello(ALLOWED)]),
        ("more streams than are allowed", vec![data(8, 1)]),
        ("more uni streams than are allowed", vec![data(6, 1)]),
        ("a stream of this end's that is not open", vec![data(1, 1)]),
        ("credit for one that is not open", vec![Frame::Window { id: 5, more: 1 }]),
        ("more than a stream's window", vec![data(0, 1000), data(0, 1)]),
        ("more than the connection's window", vec![data(0, 1000), data(4, 501)]),
        ("data behind the end", vec![end(0), data(0, 1)]),
        ("data behind a reset", vec![Frame::Reset { id: 0, code: 1 }, data(0, 1)]),
        ("a second end", vec![end(0), end(0)]),
        ("credit for a stream that cannot be written", vec![Frame::Window { id: 2, more: 1 }]),
        ("more credit than there is", vec![Frame::ConnectionWindow { more: (1 << 62) - 1 }]),
        ("an end of what is still open", vec![data(0, 1), Frame::Finished { id: 0 }]),
        ("too many streams", vec![Frame::Streams { kind: Kind::Uni, more: (1 << 62) - 1 }]),
    ];
    for (what, frames) in broken {
        let mut state = listener();
        hear(&mut state, frames);
        let error = state.ended.clone().unwrap_or_else(|| panic!("{what}: goes on"));
        let kind = ErrorKind::Protocol { code: VIOLATION, by: Initiator::Local };
        assert_eq!(*error.kind(), kind, "{what}");
        assert_eq!(state.last_word(), Some(Frame::Close(Close::Violation)), "{what}");
    }
}

#[test]
fn streams_that_nobody_accepts_use_up_their_credit() {
    // Each is over as soon as it has come, and yet its opener gets nothing for it.
    let mut state = listener();
    for id in [0, 4] {
        hear(&mut state, [Frame::Stop { id, code: 0 }, Frame::Reset { id, code: 0 }]);
    }
    while let Some(frame) = state.next(&mut Woken::default()) {
        assert!(!matches!(frame, Frame::Streams { .. }), "{frame:?}");
    }
    let accepted = state.accept(Kind::Bidi, &mut Woken::default());
    assert!(matches!(accepted, Some(Ok(0))), "{accepted:?}");
    let told = Frame::Streams { kind: Kind::Bidi, more: 1 };
    assert_eq!(state.next(&mut Woken::default()), Some(told));
    hear(&mut state, [data(8, 1)]);
    assert!(state.ended.is_none());
    hear(&mut state, [data(12, 1)]);
    assert!(state.ended.is_some());
}

#[test]
fn data_for_a_stream_that_was_given_up_does_not_use_up_the_connection() {
    let mut state = listener();
    hear(&mut state, [data(0, 1)]);
    drop(state.accept(Kind::Bidi, &mut Woken::default()));
    state.drop_receive(0, &mut Woken::default());
    hear(&mut state, [data(0, 900)]);
    let said: Vec<Frame> = std::iter::from_fn(|| state.next(&mut Woken::default())).collect();
    let told = [Frame::ConnectionWindow { more: 901 }, Frame::Stop { id: 0, code: 0 }];
    assert_eq!(said, told);
}

#[test]
fn pings_are_answered_once_however_many_come() {
    let mut state = listener();
    hear(&mut state, vec![Frame::Ping; 1000]);
    assert_eq!(state.next(&mut Woken::default()), Some(Frame::Pong));
    assert_eq!(state.next(&mut Woken::default()), None);
}

#[test]
fn frames_at_random_neither_panic_nor_exceed_what_is_allowed() {
    let (mut broken, mut frames) = (0, 0);
    for seed in 1..=2000_u64 {
        let mut state = listener();
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut roll = |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        for _ in 0..60 {
            // Mostly what is allowed, so that it goes on for a while.
            let (id, code) = (roll(2) * 4, roll(3));
            let frame = match roll(60) {
                0..=29 => data(id, 1 + roll(200) as usize),
                30..=34 => data(2, 1 + roll(50) as usize),
                35 => end(id),
                36 => Frame::Reset { id, code },
                37..=39 => Frame::Stop { id, code },
                40..=44 => Frame::Window { id, more: roll(100) },
                45..=49 => Frame::ConnectionWindow { more: roll(100) },
                50..=52 => Frame::Streams { kind: Kind::Bidi, more: roll(2) },
                53 => Frame::Finished { id: roll(12) },
                54 => data(roll(20), 1),
                _ => Frame::Ping,
            };
            hear(&mut state, [frame]);
            frames += 1;
            let mut woken = Woken::default();
            // The application does something as well.
            match roll(8) {
                0 => drop(state.accept(Kind::Bidi, &mut woken)),
                1 => drop(state.open(Kind::Bidi)),
                2 | 3 => drop(state.read(id, std::task::Waker::noop(), &mut woken)),
                4 => drop(state.read(2, std::task::Waker::noop(), &mut woken)),
                5 => drop(state.close_send(id, &mut woken)),
                6 if roll(4) == 0 => state.drop_receive(id, &mut woken),
                7 if roll(4) == 0 => state.drop_send(id, &mut woken),
                _ => {}
            }
            drop(state.next(&mut woken));
            let theirs = state.streams.iter().filter(|(id, _)| **id & 1 == 0);
            let open = theirs.filter(|(_, stream)| !stream.is_returned).count();
            assert!(open <= 3, "seed {seed}: {open} streams of the peer's");
            let held: usize =
                state.streams.values().flat_map(|s| &s.receive).map(|half| half.pieces.len()).sum();
            assert!(held <= 1500, "seed {seed}: {held} bytes held");
            if state.ended.is_some() {
                broken += 1;
                break;
            }
        }
    }
    assert!((200..2000).contains(&broken) && frames > 10_000, "{broken} broken, {frames} frames");
}
