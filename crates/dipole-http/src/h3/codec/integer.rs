//! Integers of variable length (RFC 9000 section 16).

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The longest encoding, in bytes.
pub(crate) const LONGEST: usize = 8;

/// The integer that `bytes` begin with, and its length; `None` while it is not whole.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let mut value = u64::from(first & 0x3f);
    for &byte in bytes.get(1..length)? {
        value = value << 8 | u64::from(byte);
    }
    Some((value, length))
}

/// Appends `value`, in the shortest form there is. Of a value beyond 2^62 - 1, which has none, the
/// lower bits.
pub(crate) fn encode(value: u64, out: &mut BytesMut) {
    match value {
        0..0x40 => out.put_u8(value as u8),
        0x40..0x4000 => out.put_u16(0x4000 | value as u16),
        0x4000..0x4000_0000 => out.put_u32(0x8000_0000 | value as u32),
        _ => out.put_u64(0xc000_0000_0000_0000 | value),
    }
}

/// One that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    held: [u8; LONGEST],
    length: u8,
}

impl Gathering {
    /// Takes from the front of `bytes` until the integer is whole; `None`: all of `bytes` was taken.
    pub(crate) fn take(&mut self, bytes: &mut Bytes) -> Option<u64> {
        while bytes.has_remaining() {
            // No integer is longer than what is held of it.
            let place = self.held.get_mut(usize::from(self.length))?;
            *place = bytes.get_u8();
            self.length += 1;
            if let Some((value, _)) = decode(&self.held[..self.length.into()]) {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_that_come_in_pieces_are_the_same() {
        for value in [0, 63, 64, 16383, 16384, 1 << 30, (1 << 62) - 1] {
            let mut whole = BytesMut::new();
            encode(value, &mut whole);
            let length = whole.len();
            whole.put_u8(7);
            for cut in 0..length {
                let mut gathering = Gathering::default();
                let mut rest = whole.clone().freeze();
                assert_eq!(gathering.take(&mut rest.split_to(cut)), None);
                assert_eq!(gathering.take(&mut rest), Some(value), "cut after {cut}");
                assert_eq!(&rest[..], [7]);
            }
        }
    }

    #[test]
    fn integers_come_back_as_they_were() {
        for (value, length) in [(0, 1), (63, 1), (64, 2), (16383, 2), (16384, 4), (1 << 30, 8)] {
            let mut bytes = BytesMut::new();
            encode(value, &mut bytes);
            assert_eq!(decode(&bytes), Some((value, length)));
            assert_eq!(decode(&bytes[..length - 1]), None);
        }
    }

    #[test]
    fn the_samples_of_the_rfc_are_understood() {
        // RFC 9000 appendix A.1.
        let sample = [0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c];
        assert_eq!(decode(&sample), Some((151_288_809_941_952_652, 8)));
        assert_eq!(decode(&[0x40, 0x25]), Some((37, 2)));
    }
}
