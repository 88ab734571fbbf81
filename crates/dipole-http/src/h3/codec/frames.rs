//! Frames (RFC 9114 section 7), out of pieces of a stream as they come.

use bytes::{Buf, Bytes, BytesMut};

use super::{code, integer};

pub(crate) const DATA: u64 = 0x00;
pub(crate) const HEADERS: u64 = 0x01;
pub(crate) const CANCEL_PUSH: u64 = 0x03;
pub(crate) const SETTINGS: u64 = 0x04;
pub(crate) const PUSH_PROMISE: u64 = 0x05;
pub(crate) const GOAWAY: u64 = 0x07;
pub(crate) const MAX_PUSH_ID: u64 = 0x0d;

/// The longest that a frame's type and length are together, in bytes.
pub(crate) const LONGEST_HEAD: usize = 2 * integer::LONGEST;

/// What a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Some of a DATA frame's payload; never empty.
    Data(Bytes),
    /// Another frame that HTTP/3 knows, whole.
    Other {
        /// Its type, one of the constants here.
        kind: u64,
        /// Its payload.
        payload: Bytes,
    },
}

/// What is wrong with a stream of frames; each ends the connection, with its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameFault {
    /// The stream ended within a frame (RFC 9114 section 7.1).
    Cut,
    /// A frame of HTTP/2 that HTTP/3 has none of (RFC 9114 section 7.2.8).
    Reserved,
    /// A frame that has to be held whole is longer than the limit.
    TooLong,
}

impl FrameFault {
    pub(crate) fn code(self) -> u64 {
        match self {
            Self::Cut => code::FRAME_ERROR,
            Self::Reserved => code::FRAME_UNEXPECTED,
            Self::TooLong => code::EXCESSIVE_LOAD,
        }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Cut => "a stream ended within a frame",
            Self::Reserved => "a frame of HTTP/2 on HTTP/3",
            Self::TooLong => "a frame is too long",
        }
    }
}

/// Finds the frames of one stream. Holds at most one frame that is not DATA, up to its limit; frames
/// of unknown types are passed over (RFC 9114 section 9).
#[derive(Debug)]
pub(crate) struct FrameReader {
    state: State,
    longest: usize,
    /// Frames that were passed over, empty ones of DATA among them.
    passed: u32,
}

#[derive(Debug)]
enum State {
    /// Between two frames, or in mid-head with these bytes of it.
    Head {
        held: [u8; LONGEST_HEAD],
        length: usize,
    },
    Data {
        left: u64,
    },
    Passed {
        left: u64,
    },
    Whole {
        kind: u64,
        length: usize,
        held: BytesMut,
    },
}

const BETWEEN: State = State::Head { held: [0; LONGEST_HEAD], length: 0 };

impl FrameReader {
    /// Frames other than DATA may be `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Self { state: BETWEEN, longest, passed: 0 }
    }

    /// The next frame, or piece of one, out of `bytes`, from whose front it is taken. `None`: all of
    /// `bytes` was taken, and there is more to come.
    pub(crate) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Frame>, FrameFault> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head { .. } => self.read_head(bytes)?,
                State::Data { left } => {
                    let piece = bytes.split_to(shorter(*left, bytes.len()));
                    *left -= piece.len() as u64;
                    if *left == 0 {
                        self.state = BETWEEN;
                    }
                    return Ok(Some(Frame::Data(piece)));
                }
                State::Passed { left } => {
                    let passed = shorter(*left, bytes.len());
                    bytes.advance(passed);
                    *left -= passed as u64;
                    if *left == 0 {
                        self.state = BETWEEN;
                    }
                }
                State::Whole { kind, length, held } => {
                    let (kind, missing) = (*kind, *length - held.len());
                    if held.is_empty() && bytes.len() >= missing {
                        self.state = BETWEEN;
                        return Ok(Some(Frame::Other { kind, payload: bytes.split_to(missing) }));
                    }
                    let piece = bytes.split_to(missing.min(bytes.len()));
                    held.extend_from_slice(&piece);
                    if held.len() == *length {
                        let payload = std::mem::take(held).freeze();
                        self.state = BETWEEN;
                        return Ok(Some(Frame::Other { kind, payload }));
                    }
                }
            }
            // A frame without a payload ends with its head.
            if let State::Whole { kind, length: 0, .. } = self.state {
                self.state = BETWEEN;
                return Ok(Some(Frame::Other { kind, payload: Bytes::new() }));
            }
        }
        Ok(None)
    }

    /// The stream has ended.
    pub(crate) fn end(&self) -> Result<(), FrameFault> {
        match self.state {
            State::Head { length: 0, .. } => Ok(()),
            _ => Err(FrameFault::Cut),
        }
    }

    /// True between two frames.
    pub(crate) fn is_between(&self) -> bool {
        self.end().is_ok()
    }

    /// How many frames said nothing since this was last asked: those of unknown types, and empty
    /// ones of DATA. An endless one counts once.
    pub(crate) fn take_passed(&mut self) -> u32 {
        std::mem::take(&mut self.passed)
    }

    /// Takes what is there of a frame's head.
    fn read_head(&mut self, bytes: &mut Bytes) -> Result<(), FrameFault> {
        let State::Head { held, length } = &mut self.state else { return Ok(()) };
        let (head, before) = if *length == 0 {
            (head(bytes), 0)
        } else {
            let before = *length;
            let taken = bytes.len().min(LONGEST_HEAD - before);
            held[before..before + taken].copy_from_slice(&bytes[..taken]);
            (head(&held[..before + taken]), before)
        };
        let Some((kind, payload, head_length)) = head else {
            // No head is longer than what is held of it.
            if before == 0 {
                held[..bytes.len()].copy_from_slice(bytes);
            }
            *length = before + bytes.len();
            bytes.clear();
            return Ok(());
        };
        bytes.advance(head_length - before);
        self.state = match kind {
            DATA if payload > 0 => State::Data { left: payload },
            HEADERS | CANCEL_PUSH | SETTINGS | PUSH_PROMISE | GOAWAY | MAX_PUSH_ID => {
                match usize::try_from(payload) {
                    Ok(length) if length <= self.longest => {
                        State::Whole { kind, length, held: BytesMut::new() }
                    }
                    _ => return Err(FrameFault::TooLong),
                }
            }
            // RFC 9114 11.2.1: those of HTTP/2 that have no meaning here.
            0x02 | 0x06 | 0x08 | 0x09 => return Err(FrameFault::Reserved),
            _ => {
                self.passed = self.passed.saturating_add(1);
                if payload == 0 { BETWEEN } else { State::Passed { left: payload } }
            }
        };
        Ok(())
    }
}

/// A frame's type, its payload's length, and its head's length, once they are whole.
fn head(bytes: &[u8]) -> Option<(u64, u64, usize)> {
    let (kind, first) = integer::decode(bytes)?;
    let (payload, second) = integer::decode(&bytes[first..])?;
    Some((kind, payload, first + second))
}

fn shorter(left: u64, there: usize) -> usize {
    usize::try_from(left).map_or(there, |left| left.min(there))
}

/// Appends a frame's type and length.
pub(crate) fn encode_head(kind: u64, length: usize, out: &mut BytesMut) {
    integer::encode(kind, out);
    integer::encode(length as u64, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        encode_head(kind, payload.len(), &mut bytes);
        bytes.extend_from_slice(payload);
        bytes.to_vec()
    }

    /// Everything that pieces of `size` bytes carry, with the pieces of DATA put together.
    fn read(bytes: &[u8], size: usize) -> Result<Vec<Frame>, FrameFault> {
        let mut reader = FrameReader::new(100);
        let mut frames: Vec<Frame> = Vec::new();
        for piece in bytes.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(frame) = reader.next(&mut piece)? {
                match (frames.last_mut(), frame) {
                    (Some(Frame::Data(known)), Frame::Data(more)) => {
                        *known = [&known[..], &more[..]].concat().into();
                    }
                    (_, frame) => frames.push(frame),
                }
            }
            assert!(piece.is_empty());
        }
        reader.end().map(|()| frames)
    }

    #[test]
    fn frames_are_the_same_however_their_stream_is_cut() {
        let bytes = [
            frame(HEADERS, b"head"),
            frame(0x21, b"unknown, passed over"),
            frame(DATA, b""),
            frame(DATA, &[7; 70]),
            frame(0x40 * 0x1f + 0x21, b""),
            frame(HEADERS, b""),
        ]
        .concat();
        let expected = vec![
            Frame::Other { kind: HEADERS, payload: Bytes::from_static(b"head") },
            Frame::Data(vec![7; 70].into()),
            Frame::Other { kind: HEADERS, payload: Bytes::new() },
        ];
        for size in 1..=bytes.len() {
            assert_eq!(read(&bytes, size), Ok(expected.clone()), "pieces of {size}");
        }
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_is_cut() {
        let bytes = frame(DATA, b"data");
        for length in 1..bytes.len() {
            assert_eq!(read(&bytes[..length], 9), Err(FrameFault::Cut), "after {length} bytes");
        }
    }

    #[test]
    fn a_frame_to_be_held_whole_has_a_limit_and_data_has_none() {
        assert!(read(&frame(HEADERS, &[0; 100]), 7).is_ok());
        assert_eq!(read(&frame(HEADERS, &[0; 101]), 7), Err(FrameFault::TooLong));
        assert_eq!(read(&frame(SETTINGS, &[0; 101]), 7), Err(FrameFault::TooLong));
        assert!(read(&frame(DATA, &[0; 1000]), 7).is_ok());
    }

    #[test]
    fn frames_that_say_nothing_are_counted() {
        let mut reader = FrameReader::new(100);
        let bytes = [frame(0x21, b""), frame(DATA, b""), frame(0xf0700, b"x"), frame(DATA, b"x")];
        let mut bytes = Bytes::from(bytes.concat());
        assert!(matches!(reader.next(&mut bytes), Ok(Some(Frame::Data(_)))));
        assert_eq!((reader.take_passed(), reader.take_passed()), (3, 0));
    }

    #[test]
    fn frames_of_http2_are_refused() {
        for kind in [0x02, 0x06, 0x08, 0x09] {
            assert_eq!(read(&frame(kind, b"x"), 5), Err(FrameFault::Reserved));
        }
    }
}
