//! What comes on the peer's two streams of QPACK (RFC 9204 section 4.2), where neither end has a
//! dynamic table.
//!
//! There is next to nothing to be said then. A peer that may keep no table may not put anything into
//! it (RFC 9204 section 3.2.3), and nobody can acknowledge what this end never sent. What is left
//! changes nothing: it is passed over, and counted.

use super::code;

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What the peer's encoder says to this end's decoder.
    Encoder,
    /// What the peer's decoder says to this end's encoder.
    Decoder,
}

/// An instruction that may not be, which ends the connection with the stream's own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forbidden {
    pub(crate) code: u64,
    pub(crate) text: &'static str,
}

/// Reads one stream of instructions, in pieces as they come. It holds a few bits of an instruction
/// that is cut.
#[derive(Debug, Default)]
pub(crate) struct Instructions {
    /// Further bytes of a number that have come already; `None` between two instructions.
    within: Option<u8>,
}

/// A number has at most so many bytes after its first one: 62 bits, seven of them in each.
const LONGEST_REST: u8 = 9;

impl Instructions {
    /// Takes `bytes`, and gives how many instructions end in them.
    ///
    /// # Errors
    /// One that has no place without a dynamic table, which none of them has but these: a capacity of
    /// nothing (RFC 9204 section 4.3.1), and that a stream was given up (4.4.2).
    pub(crate) fn take(&mut self, side: Side, bytes: &[u8]) -> Result<u32, Forbidden> {
        let mut ended = 0u32;
        for &byte in bytes {
            self.within = match (self.within, side) {
                // 4.3.1: `001`, and a capacity of five bits.
                (None, Side::Encoder) if byte == 0x20 => None,
                (None, Side::Encoder) => {
                    let text = "an instruction for a table that there is not";
                    return Err(Forbidden { code: code::ENCODER_STREAM_ERROR, text });
                }
                // 4.4.2: `01`, and a stream of six bits, which go on where all are set.
                (None, Side::Decoder) if byte == 0x7f => Some(0),
                (None, Side::Decoder) if byte & 0xc0 == 0x40 => None,
                // 4.4.1 and 4.4.3.
                (None, Side::Decoder) => return Err(unsent()),
                (Some(LONGEST_REST), _) => return Err(unsent()),
                (Some(before), _) if byte & 0x80 != 0 => Some(before + 1),
                (Some(_), _) => None,
            };
            if self.within.is_none() {
                ended = ended.saturating_add(1);
            }
        }
        Ok(ended)
    }
}

fn unsent() -> Forbidden {
    let text = "an acknowledgement of what was never sent";
    Forbidden { code: code::DECODER_STREAM_ERROR, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of the bytes, in pieces of one size.
    fn taken(side: Side, bytes: &[u8], size: usize) -> Result<u32, u64> {
        let mut instructions = Instructions::default();
        bytes.chunks(size).try_fold(0, |sum, piece| {
            let ended = instructions.take(side, piece).map_err(|forbidden| forbidden.code)?;
            Ok(sum + ended)
        })
    }

    #[test]
    fn what_changes_nothing_is_counted_however_it_is_cut() {
        for size in 1..=6 {
            assert_eq!(taken(Side::Encoder, b"\x20\x20\x20", size), Ok(3));
            // Streams 0, 62, 63 and 63 + 127 + (1 << 7), and one that is not whole.
            let given_up = b"\x40\x7e\x7f\x00\x7f\xff\x01\x7f\x80";
            assert_eq!(taken(Side::Decoder, given_up, size), Ok(4));
        }
        let longest = [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
        assert_eq!(taken(Side::Decoder, &longest, 4), Ok(1));
    }

    #[test]
    fn whatever_needs_a_table_is_refused() {
        for wrong in [
            // A capacity; an insertion with a known name, and one with a new one; a duplicate.
            &b"\x3f\xe1\x1f"[..],
            b"\x21",
            b"\xc0\x01a",
            b"\x41a\x01b",
            b"\x00",
        ] {
            assert_eq!(
                taken(Side::Encoder, wrong, 9),
                Err(code::ENCODER_STREAM_ERROR),
                "{wrong:x?}"
            );
        }
        // An acknowledgement; more insertions than there were, and none.
        for wrong in [&b"\x80"[..], b"\x01", b"\x00"] {
            assert_eq!(
                taken(Side::Decoder, wrong, 9),
                Err(code::DECODER_STREAM_ERROR),
                "{wrong:x?}"
            );
        }
        // A number without end.
        let endless = [&[0x7f][..], &[0x80; 10]].concat();
        assert_eq!(taken(Side::Decoder, &endless, 3), Err(code::DECODER_STREAM_ERROR));
    }
}
