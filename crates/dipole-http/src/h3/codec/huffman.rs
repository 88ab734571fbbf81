//! The Huffman code of HPACK and QPACK (RFC 7541 section 5.2 and appendix B), reading alone.

use bytes::{BufMut, BytesMut};

/// The most that `length` encoded bytes are decoded to: the shortest code has five bits.
pub(super) fn most_decoded(length: usize) -> usize {
    length * 8 / SHORTEST
}

/// Appends what `encoded` means. `None`: it is not of this code.
pub(super) fn decode(encoded: &[u8], out: &mut BytesMut) -> Option<()> {
    let mut encoded = encoded.iter();
    // The bits that are read and not yet used are the lowest `count` of these.
    let (mut bits, mut count) = (0u64, 0usize);
    loop {
        while count <= 56
            && let Some(&byte) = encoded.next()
        {
            bits = bits << 8 | u64::from(byte);
            count += 8;
        }
        if count >= 8 {
            let (symbol, length) = SHORT[(bits >> (count - 8) & 0xff) as usize];
            if length > 0 {
                out.put_u8(symbol);
                count -= length as usize;
                continue;
            }
        }
        let Some((symbol, length)) = next_symbol(bits, count) else { break };
        // Section 5.2: the end's symbol is never sent.
        out.put_u8(u8::try_from(symbol).ok()?);
        count -= length;
    }
    // Section 5.2: what is left is shorter than a byte, and as the end's symbol begins: ones.
    let padding = (1 << count.min(63)) - 1;
    (count < 8 && bits & padding == padding).then_some(())
}

/// The symbol that these bits begin with, and its length; `None` when they are too few.
fn next_symbol(bits: u64, count: usize) -> Option<(u16, usize)> {
    for length in SHORTEST..=LONGEST.min(count) {
        let code = (bits >> (count - length)) as u32 & ((1 << length) - 1);
        let offset = code.wrapping_sub(CODES.first[length]);
        if offset < u32::from(CODES.count[length]) {
            return Some((CODES.symbols[(CODES.begin[length] + offset as u16) as usize], length));
        }
    }
    None
}

const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// The code, which is canonical: codes of one length are consecutive, in the order of their
/// symbols, and follow those of the lengths below.
struct Codes {
    first: [u32; LONGEST + 1],
    count: [u16; LONGEST + 1],
    /// Where those of a length begin among the symbols.
    begin: [u16; LONGEST + 1],
    symbols: [u16; 257],
}

static CODES: Codes = codes();

const fn codes() -> Codes {
    let mut codes = Codes {
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        begin: [0; LONGEST + 1],
        symbols: [0; 257],
    };
    let (mut length, mut code, mut place) = (1, 0, 0);
    while length <= LONGEST {
        code <<= 1;
        codes.first[length] = code;
        codes.begin[length] = place;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol as usize] as usize == length {
                codes.symbols[place as usize] = symbol;
                codes.count[length] += 1;
                place += 1;
                code += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    codes
}

/// The symbols of at most eight bits, by the byte that begins with them, and their lengths.
static SHORT: [(u8, u8); 256] = short();

const fn short() -> [(u8, u8); 256] {
    let codes = codes();
    let mut short = [(0, 0); 256];
    let mut length = SHORTEST;
    while length <= 8 {
        let mut index = 0;
        while index < codes.count[length] {
            let symbol = codes.symbols[(codes.begin[length] + index) as usize];
            let begin = ((codes.first[length] + index as u32) << (8 - length)) as usize;
            let mut at = begin;
            while at < begin + (1 << (8 - length)) {
                short[at] = (symbol as u8, length as u8);
                at += 1;
            }
            index += 1;
        }
        length += 1;
    }
    short
}

/// The length of each symbol's code, in bits; the last is the end's.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &[u8]) -> Option<BytesMut> {
        let mut out = BytesMut::new();
        decode(encoded, &mut out).map(|()| out)
    }

    /// A plain encoder, to be read back.
    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for &byte in text {
            let length = LENGTHS[usize::from(byte)] as usize;
            let place = CODES.symbols.iter().position(|&symbol| symbol == u16::from(byte)).unwrap();
            let code = CODES.first[length] + (place as u32 - u32::from(CODES.begin[length]));
            bits.extend((0..length).rev().map(|bit| (code >> bit & 1) as u8));
        }
        bits.resize(bits.len().next_multiple_of(8), 1);
        bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
    }

    #[test]
    fn the_samples_of_the_rfc_are_understood() {
        // RFC 7541 appendix C.4.
        let sample = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&sample).unwrap(), "www.example.com");
        assert_eq!(decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(), "no-cache");
        assert_eq!(decoded(&[]).unwrap(), "");
    }

    #[test]
    fn every_byte_comes_back_as_it_was() {
        for byte in 0..=255 {
            let text = [b'a', byte, byte, b'~', byte];
            assert_eq!(decoded(&encode(&text)).unwrap(), &text[..], "{byte}");
        }
    }

    #[test]
    fn wrong_padding_and_the_ends_symbol_are_refused() {
        // A whole byte of padding; zeros as padding; the end's symbol.
        for wrong in [&[0xff][..], &[0x18], &[0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(decoded(wrong), None, "{wrong:?}");
        }
    }
}
