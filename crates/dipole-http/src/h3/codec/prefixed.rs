//! Integers that begin within a byte (RFC 7541 section 5.1), as QPACK uses them.

use bytes::{BufMut, BytesMut};

/// The integer in the lowest `prefix` bits of the first byte and in what follows, and its length in
/// bytes. `None`: it is not whole, or larger than any length that could be meant.
pub(super) fn decode(bytes: &[u8], prefix: u32) -> Option<(u64, usize)> {
    let most = (1u64 << prefix) - 1;
    let mut value = u64::from(*bytes.first()?) & most;
    if value < most {
        return Some((value, 1));
    }
    for (&byte, place) in bytes[1..].iter().zip(0u32..) {
        // Five more bytes are 35 bits: far beyond any frame that is taken.
        if place == 5 {
            return None;
        }
        value += u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place as usize + 2));
        }
    }
    None
}

/// Appends `value`; `flags` are the bits above the lowest `prefix` ones of its first byte.
pub(super) fn encode(value: u64, flags: u8, prefix: u32, out: &mut BytesMut) {
    let most = (1u64 << prefix) - 1;
    if value < most {
        out.put_u8(flags | value as u8);
        return;
    }
    out.put_u8(flags | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.put_u8(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_the_rfc_are_understood() {
        // RFC 7541 appendix C.1.
        assert_eq!(decode(&[0xea], 5), Some((10, 1)));
        assert_eq!(decode(&[0x1f, 0x9a, 0x0a], 5), Some((1337, 3)));
        assert_eq!(decode(&[42], 8), Some((42, 1)));
    }

    #[test]
    fn integers_come_back_as_they_were() {
        for prefix in 3..=8 {
            for value in [0, 6, 7, 30, 31, 127, 128, 300, 16_383, 70_000, 1 << 30] {
                let mut bytes = BytesMut::new();
                encode(value, 0, prefix, &mut bytes);
                assert_eq!(decode(&bytes, prefix), Some((value, bytes.len())));
                assert_eq!(decode(&bytes[..bytes.len() - 1], prefix), None);
            }
        }
        assert_eq!(decode(&[0xff; 40], 7), None);
    }
}
