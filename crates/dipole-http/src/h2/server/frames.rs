//! The frames of one direction, as their bytes go by.

/// A frame's head (RFC 9113 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Bytes of its payload.
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const GOAWAY: u8 = 7;
pub(super) const CONTINUATION: u8 = 9;

/// Bytes of a head.
const HEAD: usize = 9;
/// Bytes of the client's preface (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// Reads along, and finds the heads of frames; bytes may come in any pieces.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD],
    /// How much of the head is there.
    filled: usize,
    /// How many bytes are passed over before the next head.
    left: usize,
}

impl Frames {
    /// What a client sends: its preface, then frames.
    pub(super) fn of_client() -> Self {
        Self { head: [0; HEAD], filled: 0, left: PREFACE }
    }

    /// What a server sends.
    pub(super) fn of_server() -> Self {
        Self { left: 0, ..Self::of_client() }
    }

    /// True when what has gone by ends with a frame's end.
    pub(super) fn is_between(&self) -> bool {
        self.filled == 0 && self.left == 0
    }

    /// Passes these bytes; gives each head that they complete to `seen`.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut seen: impl FnMut(FrameHead)) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let taken = (HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEAD {
                let head = parse(&self.head);
                (self.filled, self.left) = (0, head.length);
                seen(head);
            }
        }
    }
}

fn parse(head: &[u8; HEAD]) -> FrameHead {
    let [a, b, c, kind, flags, stream @ ..] = *head;
    FrameHead {
        length: u32::from_be_bytes([0, a, b, c]) as usize,
        kind,
        flags,
        // The first bit is reserved.
        stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_in_any_pieces() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 3, 4, 0, 0x80, 0, 0, 0, 1, 2, 3]);
        bytes.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]);
        bytes.extend([0, 1, 0, DATA, 1, 0, 0, 0, 5]);
        bytes.extend([7; 256]);
        let expected = [
            FrameHead { length: 3, kind: 4, flags: 0, stream: 0 },
            FrameHead { length: 0, kind: 4, flags: 1, stream: 0 },
            FrameHead { length: 256, kind: DATA, flags: 1, stream: 5 },
        ];
        for size in 1..=bytes.len() {
            let (mut frames, mut seen) = (Frames::of_client(), Vec::new());
            for piece in bytes.chunks(size) {
                frames.pass(piece, |head| seen.push(head));
            }
            assert_eq!(seen, expected, "pieces of {size}");
            assert!(frames.is_between());
        }
        let mut frames = Frames::of_client();
        frames.pass(&bytes[..bytes.len() - 1], |_| {});
        assert!(!frames.is_between());
    }
}
