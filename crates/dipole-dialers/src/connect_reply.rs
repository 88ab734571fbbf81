//! What an HTTP proxy answers to CONNECT, as bytes.

use std::fmt;

/// How much a proxy may say before its final answer, in bytes.
pub(crate) const MAX_REPLY: usize = 16 * 1024;

/// The final answer to CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectReply {
    /// The status: 2xx has made the connection a tunnel (RFC 9110 section 9.3.6).
    pub status: u16,
    /// How many bytes it has, with the interim answers before it. What follows is the tunnel's.
    pub len: usize,
}

/// What came is no answer to CONNECT; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyFault(&'static str);

impl fmt::Display for ReplyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy did not answer as HTTP/1.1 has it: {}", self.0)
    }
}

impl std::error::Error for ReplyFault {}

impl ConnectReply {
    /// The answer at the beginning of `bytes`; `None` when more has to come.
    ///
    /// # Errors
    /// These are not the first bytes of an answer, or it has more than 16 KiB.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ReplyFault> {
        let mut at = 0;
        loop {
            let Some((status, len)) = one_head(&bytes[at..])? else {
                return if bytes.len() >= MAX_REPLY {
                    Err(ReplyFault("it is too long"))
                } else {
                    Ok(None)
                };
            };
            at += len;
            match status {
                // RFC 9110 15.2: interim answers may come before. CONNECT asks for no switch.
                101 => return Err(ReplyFault("it switches to another protocol")),
                100..=199 => {}
                _ if at > MAX_REPLY => return Err(ReplyFault("it is too long")),
                _ => return Ok(Some(Self { status, len: at })),
            }
        }
    }

    /// The connection is a tunnel now.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The status of the head that `bytes` begin with, and the head's length.
///
/// The fields are looked at for their form alone: a tunnel has no content, whatever they say
/// (RFC 9110 section 9.3.6).
fn one_head(bytes: &[u8]) -> Result<Option<(u16, usize)>, ReplyFault> {
    let mut status = None;
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            check_begun(status, rest)?;
            return Ok(None);
        };
        if rest[end] != b'\r' {
            return Err(ReplyFault("a line ends without a carriage return"));
        }
        match rest.get(end + 1) {
            None => return Ok(None),
            Some(b'\n') => {}
            Some(_) => return Err(ReplyFault("a carriage return stands alone")),
        }
        let line = &rest[..end];
        at += end + 2;
        match status {
            None => status = Some(status_of(line)?),
            Some(status) if line.is_empty() => return Ok(Some((status, at))),
            Some(_) => check_field(line)?,
        }
    }
}

/// A status line that is not there whole begins like one at least.
fn check_begun(status: Option<u16>, line: &[u8]) -> Result<(), ReplyFault> {
    let expected = b"HTTP/1.";
    let known = line.len().min(expected.len());
    if status.is_none() && line[..known] != expected[..known] {
        return Err(ReplyFault("it has no status line"));
    }
    Ok(())
}

/// RFC 9112 section 4; the reason may be left out, with its space.
fn status_of(line: &[u8]) -> Result<u16, ReplyFault> {
    let wrong = ReplyFault("it has no status line");
    let rest = line.strip_prefix(b"HTTP/1.").ok_or(wrong)?;
    let [b'0' | b'1', b' ', digits @ ..] = rest else { return Err(wrong) };
    let (digits, reason) = digits.split_at_checked(3).ok_or(wrong)?;
    if !digits.iter().all(u8::is_ascii_digit) || !matches!(reason.first(), None | Some(b' ')) {
        return Err(wrong);
    }
    let status = digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    if status < 100 { Err(wrong) } else { Ok(status) }
}

/// RFC 9112 section 5: a name, a colon, a value.
fn check_field(line: &[u8]) -> Result<(), ReplyFault> {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || name.len() == line.len() || !name.iter().all(is_token) {
        return Err(ReplyFault("it has a line that is no header field"));
    }
    if line.contains(&0) {
        return Err(ReplyFault("it has a NUL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, u16)] = &[
        ("HTTP/1.1 200 Connection established\r\n\r\n", 200),
        ("HTTP/1.0 200 OK\r\nProxy-agent: x\r\n\r\n", 200),
        ("HTTP/1.1 200\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\n", 200),
        ("HTTP/1.1 299 \r\nvia: 1.1 a:b\r\n\r\n", 299),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            200,
        ),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=x\r\n\r\n",
            407,
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", 502),
    ];

    #[test]
    fn an_answer_is_recognised_at_its_last_byte_and_not_before() {
        for (text, status) in GOOD {
            let bytes = text.as_bytes();
            for end in 0..bytes.len() {
                assert_eq!(ConnectReply::parse(&bytes[..end]), Ok(None), "{text:?} at {end}");
            }
            let expected = ConnectReply { status: *status, len: bytes.len() };
            assert_eq!(ConnectReply::parse(bytes), Ok(Some(expected)), "{text:?}");
            // What follows is the tunnel's.
            let more = [bytes, b"SSH-2.0\r\n"].concat();
            assert_eq!(ConnectReply::parse(&more), Ok(Some(expected)), "{text:?}");
            assert_eq!(expected.is_success(), (200..300).contains(status));
        }
    }

    #[test]
    fn what_is_no_answer_is_said_so() {
        for text in [
            "SSH-2.0\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.2 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\rX\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert!(ConnectReply::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let long = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(MAX_REPLY));
        assert!(ConnectReply::parse(long.as_bytes()).is_err());
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MAX_REPLY / 24);
        assert!(ConnectReply::parse(interim.as_bytes()).is_err());
    }

    /// Whatever bytes there are: no panic, never more than there is, and bytes that come later
    /// change no verdict.
    #[test]
    fn mutated_answers_are_taken_or_refused_and_what_follows_changes_nothing() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % bound as u64).expect("it is below bound")
        };
        const LETTERS: &[u8] = b"\r\n :0129HTP/.\0\xffx";
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = GOOD[next(GOOD.len())].0.as_bytes().to_vec();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                match next(3) {
                    0 => bytes[at] = LETTERS[next(LETTERS.len())],
                    1 => bytes.insert(at, LETTERS[next(LETTERS.len())]),
                    _ => drop(bytes.remove(at)),
                }
            }
            let whole = ConnectReply::parse(&bytes);
            for end in 0..bytes.len() {
                match (ConnectReply::parse(&bytes[..end]), whole) {
                    (Ok(None), _) => {}
                    (Ok(Some(early)), whole) => assert_eq!(Ok(Some(early)), whole),
                    (Err(_), whole) => assert!(whole.is_err(), "{}", bytes.escape_ascii()),
                }
            }
            match whole {
                Ok(Some(reply)) => {
                    assert!(reply.len <= bytes.len());
                    taken += 1;
                }
                Ok(None) => {}
                Err(_) => refused += 1,
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
    }
}
