//! The chunked coding (RFC 9112 section 7.1), decoded over borrowed bytes.

use bytes::Bytes;
use http::HeaderMap;

use super::fields::{self, Lines};
use super::framing::Step;
use super::head::{HeadLimits, LineEnds};
use super::reject::Reject;
use super::{scan, trailers};

/// Decodes one body. Of each step's bytes none is looked at twice, but for those of trailers.
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
    /// What all chunk extensions of this body may still have, in bytes.
    extensions_left: u16,
    max_trailer_bytes: usize,
    max_trailers: usize,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum State {
    /// A digit of a chunk's size, or what ends it.
    Size { size: u64, digits: u8 },
    /// The rest of a chunk extension.
    Extension { size: u64 },
    /// The LF of a chunk's first line.
    SizeLf { size: u64 },
    /// Data of a chunk.
    Data { left: u64 },
    /// The CR after a chunk's data.
    DataCr,
    /// The LF after it.
    DataLf,
    /// Trailers and the empty line.
    Trailers { line: usize, scanned: usize, lines: usize },
    /// Nothing.
    Ended,
}

/// Extensions are never used, so that many of them are an attack.
const MAX_EXTENSION_BYTES: u16 = 16 * 1024;

/// A size of 16 digits fits 64 bits.
const MAX_SIZE_DIGITS: u8 = 16;

impl ChunkedDecoder {
    /// `limits` are those of a head, and hold for the trailers.
    pub(crate) fn new(limits: &HeadLimits) -> Self {
        Self {
            state: State::Size { size: 0, digits: 0 },
            extensions_left: MAX_EXTENSION_BYTES,
            max_trailer_bytes: limits.max_head_bytes,
            max_trailers: limits.max_fields,
        }
    }

    /// The next step, with `held` the unread bytes of the connection. The caller does as the step
    /// says before it asks again.
    ///
    /// # Errors
    /// The peer's framing is wrong; nothing more can be read from the connection.
    pub(crate) fn decode(&mut self, held: &[u8]) -> Result<Step, Reject> {
        let mut at = 0;
        loop {
            match self.state {
                State::Data { left } => {
                    if at == held.len() {
                        return Ok(Step::More { skip: at, beyond: 0 });
                    }
                    let here = held.len() - at;
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(here);
                    self.state = match left - len as u64 {
                        0 => State::DataCr,
                        left => State::Data { left },
                    };
                    return Ok(Step::Data { skip: at, len });
                }
                State::Trailers { .. } => return self.decode_trailers(held, at),
                State::Ended => {
                    return Ok(Step::End { skip: at, trailers: None });
                }
                _ => {}
            }
            let Some(&byte) = held.get(at) else {
                return Ok(Step::More { skip: at, beyond: 0 });
            };
            at += 1;
            self.state = self.after(byte)?;
        }
    }

    /// The state after one byte of framing.
    fn after(&mut self, byte: u8) -> Result<State, Reject> {
        match (self.state, byte) {
            (State::Size { size, digits }, _) if digits < MAX_SIZE_DIGITS && is_hex(byte) => {
                let size = (size << 4) | hex_value(byte);
                Ok(State::Size { size, digits: digits + 1 })
            }
            (State::Size { digits: 0, .. }, _) => Err(Reject::Chunk),
            (State::Size { size, .. }, b'\r') => Ok(State::SizeLf { size }),
            (State::Size { size, .. }, b';') => Ok(State::Extension { size }),
            (State::Extension { size }, b'\r') => Ok(State::SizeLf { size }),
            // RFC 9112 7.1.1: unknown extensions are ignored, and their length should be limited.
            (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                let left = self.extensions_left.checked_sub(1);
                self.extensions_left = left.ok_or(Reject::ChunkExtensions)?;
                Ok(State::Extension { size })
            }
            (State::SizeLf { size: 0 }, b'\n') => {
                Ok(State::Trailers { line: 0, scanned: 0, lines: 0 })
            }
            (State::SizeLf { size }, b'\n') => Ok(State::Data { left: size }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { size: 0, digits: 0 }),
            _ => Err(Reject::Chunk),
        }
    }

    fn decode_trailers(&mut self, held: &[u8], at: usize) -> Result<Step, Reject> {
        let State::Trailers { mut line, mut scanned, mut lines } = self.state else {
            return Err(Reject::Chunk);
        };
        let text = &held[at..];
        while let Some(found) = scan::find(text.get(scanned..).unwrap_or_default(), b'\n') {
            let lf = scanned + found;
            if lf == line || text[lf - 1] != b'\r' {
                return Err(Reject::LineEnd);
            }
            if lf + 1 > self.max_trailer_bytes {
                return Err(Reject::TrailersTooLong);
            }
            if lf == line + 1 {
                self.state = State::Ended;
                let trailers = parse_trailers(&text[..=lf], lines)?;
                return Ok(Step::End { skip: at + lf + 1, trailers });
            }
            lines += 1;
            if lines > self.max_trailers {
                return Err(Reject::TrailersTooLong);
            }
            line = lf + 1;
            scanned = lf + 1;
        }
        if text.len() >= self.max_trailer_bytes {
            return Err(Reject::TrailersTooLong);
        }
        self.state = State::Trailers { line, scanned: text.len(), lines };
        Ok(Step::More { skip: at, beyond: text.len() })
    }
}

fn parse_trailers(text: &[u8], lines: usize) -> Result<Option<Box<HeaderMap>>, Reject> {
    if lines == 0 {
        return Ok(None);
    }
    // Copied: trailers are few, and the connection still holds these bytes.
    let mut trailers = HeaderMap::with_capacity(lines);
    let lines = Lines { start: 0, count: lines, ends: (&LineEnds::default(), 0) };
    fields::parse(&Bytes::copy_from_slice(text), &lines, &mut trailers)?;
    if trailers.keys().any(trailers::is_forbidden) {
        return Err(Reject::TrailerField);
    }
    Ok(Some(Box::new(trailers)))
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn hex_value(byte: u8) -> u64 {
    u64::from(match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits =
        HeadLimits { max_head_bytes: 100, max_target_bytes: 100, max_fields: 3 };

    /// Gives the body and the trailers as text and what is left over, with `piece` bytes coming at
    /// a time; `None` when the body does not end.
    fn decode(coded: &[u8], piece: usize) -> Result<Option<(Vec<u8>, String, usize)>, Reject> {
        let mut decoder = ChunkedDecoder::new(&LIMITS);
        let (mut from, mut to, mut body) = (0, 0, Vec::new());
        loop {
            match decoder.decode(&coded[from..to])? {
                Step::More { skip, beyond } => {
                    from += skip;
                    assert_eq!(to - from, beyond);
                    if to == coded.len() {
                        return Ok(None);
                    }
                    to = (to + piece).min(coded.len());
                }
                Step::Data { skip, len } => {
                    assert!(len > 0);
                    body.extend_from_slice(&coded[from + skip..from + skip + len]);
                    from += skip + len;
                }
                Step::End { skip, trailers } => {
                    let trailers = trailers.map(|trailers| format!("{trailers:?}"));
                    assert_eq!(decoder.decode(b"x"), Ok(Step::End { skip: 0, trailers: None }));
                    return Ok(Some((
                        body,
                        trailers.unwrap_or_default(),
                        coded.len() - from - skip,
                    )));
                }
            }
        }
    }

    #[test]
    fn chunks_become_a_body_however_they_come() {
        let good: &[(&[u8], &str, &str)] = &[
            (b"0\r\n\r\n", "", ""),
            (b"5\r\nhello\r\n0\r\n\r\n", "hello", ""),
            (b"5\r\nhello\r\n00000000000006\r\n world\r\n000\r\n\r\n", "hello world", ""),
            (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""),
            (b"2;a;b=c;d=\"e; f\"\r\nhi\r\n0;x\r\n\r\n", "hi", ""),
            (b"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""),
            (b"1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n", "a", r#"{"x-sum": "7"}"#),
            (b"0\r\na: 1\r\nb: 2\r\na: 3\r\n\r\n", "", r#"{"a": "1", "a": "3", "b": "2"}"#),
        ];
        for (coded, body, trailers) in good {
            for piece in 1..=coded.len() {
                let (decoded, fields, over) =
                    decode(coded, piece).expect("well formed").expect("whole");
                assert_eq!((&*decoded, &*fields, over), (body.as_bytes(), *trailers, 0), "{piece}");
            }
            let next = [*coded, b"GET /"].concat();
            assert_eq!(decode(&next, next.len()).expect("good").expect("whole").2, 5);
            for end in 0..coded.len() {
                assert_eq!(decode(&coded[..end], 3), Ok(None), "{}", coded.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_not_a_chunk_is_refused() {
        let bad: &[(&[u8], Reject)] = &[
            (b"\r\n", Reject::Chunk),
            (b"g\r\n", Reject::Chunk),
            (b"-1\r\n", Reject::Chunk),
            (b"+1\r\na\r\n", Reject::Chunk),
            (b"0x1\r\n", Reject::Chunk),
            (b" 1\r\na", Reject::Chunk),
            (b"1 \r\na", Reject::Chunk),
            (b"1\na", Reject::Chunk),
            (b"1\r\ra", Reject::Chunk),
            (b"1\r\nab\r\n", Reject::Chunk),
            (b"1\r\na\n0\r\n\r\n", Reject::Chunk),
            (b"1\r\na\r0\r\n\r\n", Reject::Chunk),
            (b"1\r\na0\r\n\r\n", Reject::Chunk),
            (b"1;\n", Reject::Chunk),
            (b"1;a\x00\r\n", Reject::Chunk),
            (b"1;a\rb\r\n", Reject::Chunk),
            (b";a\r\n", Reject::Chunk),
            (b"00000000000000001\r\n", Reject::Chunk),
            (b"fffffffffffffffff\r\n", Reject::Chunk),
            (b"0\r\n\n", Reject::LineEnd),
            (b"0\r\na: b\n\r\n", Reject::LineEnd),
            (b"0\r\na: b\r\n c\r\n\r\n", Reject::Fold),
            (b"0\r\na : b\r\n\r\n", Reject::FieldName),
            (b"0\r\na\r\n\r\n", Reject::FieldName),
            (b"0\r\na: \x01\r\n\r\n", Reject::FieldValue),
            (b"0\r\ncontent-length: 5\r\n\r\n", Reject::TrailerField),
            (b"0\r\nTransfer-Encoding: chunked\r\n\r\n", Reject::TrailerField),
            (b"0\r\nHost: a\r\n\r\n", Reject::TrailerField),
            (b"0\r\nAuthorization: a\r\n\r\n", Reject::TrailerField),
            (b"0\r\na:\r\na:\r\na:\r\na:\r\n\r\n", Reject::TrailersTooLong),
        ];
        for (coded, reject) in bad {
            for piece in 1..=coded.len() {
                assert_eq!(decode(coded, piece), Err(*reject), "{}", coded.escape_ascii());
            }
        }
    }

    #[test]
    fn the_largest_size_is_a_size() {
        let mut decoder = ChunkedDecoder::new(&LIMITS);
        let step = decoder.decode(b"ffffffffffffffff\r\nabc");
        assert_eq!(step, Ok(Step::Data { skip: 18, len: 3 }));
    }

    #[test]
    fn floods_of_extensions_and_trailers_end() {
        let long = [b"1;".as_slice(), &[b'a'; 17_000]].concat();
        assert_eq!(decode(&long, 1000), Err(Reject::ChunkExtensions));
        let many = b"1;aaaa\r\nb\r\n".repeat(5000);
        assert_eq!(decode(&many, 1000), Err(Reject::ChunkExtensions));
        let long = [b"0\r\na: ".as_slice(), &[b'a'; 200]].concat();
        assert_eq!(decode(&long, 7), Err(Reject::TrailersTooLong));
        assert_eq!(decode(&long, 1000), Err(Reject::TrailersTooLong));
    }
}
