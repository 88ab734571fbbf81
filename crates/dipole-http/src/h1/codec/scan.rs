//! Finds one byte, in code short enough to be inlined: the lines of a head are short.

/// Where `byte` first is in `hay`.
#[inline]
pub(super) fn find(hay: &[u8], byte: u8) -> Option<usize> {
    let (blocks, rest) = hay.as_chunks::<16>();
    for (index, block) in blocks.iter().enumerate() {
        // No early end inside a block: that is what lets the compiler compare 16 bytes at once.
        if block.iter().fold(false, |found, &b| found | (b == byte)) {
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
    let equal = block.map(|b| if b == byte { 0xff } else { 0 });
    (u128::from_le_bytes(equal).trailing_zeros() / 8) as usize
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
        assert_eq!(first_in(b"0123456789abcdef", b'a'), 10);
        assert_eq!(first_in(b"0123456789abcdef", b'x'), 16);
    }
}
