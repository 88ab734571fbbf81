//! Finds one byte, in code short enough to be inlined: the lines of a head are short. And a hash.

/// Where `byte` first is in `hay`.
#[inline]
pub(super) fn find(hay: &[u8], byte: u8) -> Option<usize> {
    let (blocks, rest) = hay.as_chunks::<16>();
    for (index, block) in blocks.iter().enumerate() {
        if is_in(block, byte) {
            return Some(index * 16 + first_in(block, byte));
        }
    }
    let at = rest.iter().position(|&b| b == byte)?;
    Some(hay.len() - rest.len() + at)
}

/// The first 16 bytes of `hay` from `at` on; zeros past its end.
#[inline]
pub(super) fn block(hay: &[u8], at: usize) -> [u8; 16] {
    if let Some(block) = hay.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        return *block;
    }
    let rest = hay.get(at..).unwrap_or_default();
    let mut block = [0; 16];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Where `byte` first is in `block`; 16 when it is not there.
#[inline]
pub(super) fn first_in(block: &[u8; 16], byte: u8) -> usize {
    let (words, _) = block.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let apart = u64::from_le_bytes(*word) ^ (u64::from(byte) * ONES);
        // The top bit of each byte that is zero, and perhaps of some after the first such byte.
        let zeros = apart.wrapping_sub(ONES) & !apart & (ONES << 7);
        if zeros != 0 {
            return index * 8 + zeros.trailing_zeros() as usize / 8;
        }
    }
    16
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Where `byte` is in `block`, first in its first half and then in its second.
#[inline]
pub(super) fn places(block: &[u8; 16], byte: u8) -> [Places; 2] {
    let (words, _) = block.as_chunks::<8>();
    let in_word = |word: &[u8; 8]| {
        const LOW_7: u64 = ONES * 0x7f;
        // Bytes that are equal become zero, and then bytes that are zero become their top bit.
        let apart = u64::from_le_bytes(*word) ^ (u64::from(byte) * ONES);
        Places(!(((apart & LOW_7) + LOW_7) | apart | LOW_7))
    };
    [in_word(&words[0]), in_word(&words[1])]
}

/// Places in a word of eight bytes: the top bit of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places(u64);

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize / 8;
        self.0 &= self.0 - 1;
        Some(place)
    }
}

/// Is `byte` in `block`? Cheaper than to ask where.
#[inline]
pub(super) fn is_in(block: &[u8; 16], byte: u8) -> bool {
    // No early end: that is what lets the compiler compare 16 bytes at once.
    block.iter().fold(false, |found, &b| found | (b == byte))
}

/// A hash of some bytes.
pub(super) fn hash(bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<16>();
    let hash = blocks.iter().fold(bytes.len() as u64, mix);
    let hash = mix(hash, &block(rest, 0));
    (hash >> 32) as u32 ^ hash as u32
}

/// The hash of what `hash` is of, and of 16 bytes more.
#[inline]
fn mix(hash: u64, block: &[u8; 16]) -> u64 {
    const ODD: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];
    let (words, _) = block.as_chunks::<8>();
    let first = u64::from_le_bytes(words[0]) ^ ODD[0] ^ hash;
    let second = u64::from_le_bytes(words[1]) ^ ODD[1];
    let product = u128::from(first) * u128::from(second);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_byte_is_found_at_every_place() {
        for len in 0..70 {
            let mut hay = vec![b'a'; len];
            assert_eq!(find(&hay, b':'), None);
            for at in (0..len).rev() {
                hay[at] = b':';
                assert_eq!(find(&hay, b':'), Some(at), "{len}");
            }
        }
    }

    #[test]
    fn a_block_past_the_end_is_filled_up_with_zeros() {
        assert_eq!(block(b"abc", 1), *b"bc\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(block(b"abc", 7), [0; 16]);
        assert_eq!(block(b"0123456789abcdefgh", 1), *b"123456789abcdefg");
    }

    #[test]
    fn each_place_of_a_byte_is_found() {
        let all = |block: &[u8; 16], byte| -> Vec<usize> {
            let [low, high] = places(block, byte);
            low.chain(high.map(|place| place + 8)).collect()
        };
        assert_eq!(all(b"a123a5678a0123aa", b'a'), [0, 4, 9, 14, 15]);
        assert_eq!(all(&[0; 16], 0).len(), 16);
        assert_eq!(first_in(b"0123456789abcdef", b'a'), 10);
        assert_eq!(first_in(b"0123456789abcdef", b'x'), 16);
        for byte in 0..=255u8 {
            for other in 0..=255u8 {
                let mut block = [other; 16];
                block[7] = byte;
                assert_eq!(first_in(&block, byte), if byte == other { 0 } else { 7 });
                assert_eq!(all(&block, byte).len(), if byte == other { 16 } else { 1 });
                assert!(is_in(&block, byte));
            }
        }
    }
}
