//! The messages of SOCKS5 (RFC 1928) and of its authentication (RFC 1929), as bytes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::Credentials;

const VERSION: u8 = 5;
const AUTHENTICATION: u8 = 1;
const CONNECT: u8 = 1;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What the proxy chose of the ways to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Nothing,
    Password,
    NoneOfThese,
}

/// What the proxy said to the request: 0 is success (RFC 1928 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome(pub(super) u8);

/// What came is not SOCKS5; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotSocks(&'static str);

impl fmt::Display for NotSocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy does not speak SOCKS5: {}", self.0)
    }
}

/// An answer and its length; `None` when more has to come.
pub(super) type Parsed<T> = Result<Option<(T, usize)>, NotSocks>;

/// The first message: which ways to authenticate there are.
pub(super) fn greeting(credentials: Option<&Credentials>) -> Vec<u8> {
    match credentials {
        None => vec![VERSION, 1, NO_AUTHENTICATION],
        Some(_) => vec![VERSION, 2, NO_AUTHENTICATION, PASSWORD],
    }
}

/// The answer to the greeting.
pub(super) fn parse_choice(bytes: &[u8]) -> Parsed<Choice> {
    check_version(bytes, VERSION)?;
    let [_, method, ..] = bytes else { return Ok(None) };
    let choice = match *method {
        NO_AUTHENTICATION => Choice::Nothing,
        PASSWORD => Choice::Password,
        NONE_ACCEPTABLE => Choice::NoneOfThese,
        _ => return Err(NotSocks("it chose what was not offered")),
    };
    Ok(Some((choice, 2)))
}

/// A user and password; `None` when one of them has none or more than 255 bytes.
pub(super) fn password(credentials: &Credentials) -> Option<Vec<u8>> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length > 0);
    let mut message = vec![AUTHENTICATION, length(&credentials.user)?];
    message.extend_from_slice(credentials.user.as_bytes());
    message.push(length(&credentials.password)?);
    message.extend_from_slice(credentials.password.as_bytes());
    Some(message)
}

/// The answer to a user and password: whether they are good.
pub(super) fn parse_verdict(bytes: &[u8]) -> Parsed<bool> {
    check_version(bytes, AUTHENTICATION)?;
    let [_, status, ..] = bytes else { return Ok(None) };
    Ok(Some((*status == 0, 2)))
}

/// The wish for a connection to an address.
pub(super) fn connect_to_addr(addr: SocketAddr) -> Vec<u8> {
    let mut message = vec![VERSION, CONNECT, 0];
    match addr.ip() {
        IpAddr::V4(ip) => {
            message.push(IPV4);
            message.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            message.push(IPV6);
            message.extend_from_slice(&ip.octets());
        }
    }
    message.extend_from_slice(&addr.port().to_be_bytes());
    message
}

/// The wish for a connection to a name; `None` when it has none or more than 255 bytes.
pub(super) fn connect_to_name(name: &str, port: u16) -> Option<Vec<u8>> {
    let length = u8::try_from(name.len()).ok().filter(|length| *length > 0)?;
    let mut message = vec![VERSION, CONNECT, 0, NAME, length];
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&port.to_be_bytes());
    Some(message)
}

/// The answer to the wish; the address that the proxy connects from is passed over.
pub(super) fn parse_outcome(bytes: &[u8]) -> Parsed<Outcome> {
    check_version(bytes, VERSION)?;
    if bytes.get(2).is_some_and(|reserved| *reserved != 0) {
        return Err(NotSocks("a reserved byte is not zero"));
    }
    let address = match bytes.get(3) {
        None => return Ok(None),
        Some(&IPV4) => 4,
        Some(&IPV6) => 16,
        Some(&NAME) => match bytes.get(4) {
            None => return Ok(None),
            Some(length) => 1 + usize::from(*length),
        },
        Some(_) => return Err(NotSocks("it has an address of no known kind")),
    };
    let len = 4 + address + 2;
    Ok((bytes.len() >= len).then(|| (Outcome(bytes[1]), len)))
}

fn check_version(bytes: &[u8], version: u8) -> Result<(), NotSocks> {
    match bytes.first() {
        Some(first) if *first != version => Err(NotSocks("it answered with another version")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: &[&[u8]] = &[
        &[5, 0, 0, 1, 1, 2, 3, 4, 0, 80],
        &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80],
        &[5, 4, 0, 3, 3, b'a', b'.', b'b', 0, 80],
        &[5, 2, 0, 3, 0, 0, 0],
    ];

    #[test]
    fn messages_are_as_the_rfcs_have_them() {
        let someone = Credentials::new("me", "pw");
        assert_eq!(greeting(None), [5, 1, 0]);
        assert_eq!(greeting(Some(&someone)), [5, 2, 0, 2]);
        assert_eq!(password(&someone), Some(b"\x01\x02me\x02pw".to_vec()));
        assert_eq!(password(&Credentials::new("", "pw")), None);
        assert_eq!(password(&Credentials::new("me", "x".repeat(256))), None);
        let ip = |text: &str| connect_to_addr(text.parse().expect("an address"));
        assert_eq!(ip("1.2.3.4:258"), [5, 1, 0, 1, 1, 2, 3, 4, 1, 2]);
        assert_eq!(ip("[::1]:80")[..4], [5, 1, 0, 4]);
        assert_eq!(ip("[::1]:80").len(), 22);
        assert_eq!(connect_to_name("a.b", 80), Some(b"\x05\x01\x00\x03\x03a.b\x00\x50".to_vec()));
        assert_eq!(connect_to_name(&"x".repeat(256), 80), None);
        assert_eq!(connect_to_name("", 80), None);
    }

    #[test]
    fn an_answer_is_recognised_at_its_last_byte_and_not_before() {
        for outcome in OUTCOMES {
            for end in 0..outcome.len() {
                assert_eq!(parse_outcome(&outcome[..end]), Ok(None), "{outcome:?} at {end}");
            }
            let expected = Ok(Some((Outcome(outcome[1]), outcome.len())));
            assert_eq!(parse_outcome(outcome), expected);
            assert_eq!(parse_outcome(&[outcome, &[7, 7][..]].concat()), expected);
        }
        for (choice, method) in
            [(Choice::Nothing, 0), (Choice::Password, 2), (Choice::NoneOfThese, 255)]
        {
            assert_eq!(parse_choice(&[]), Ok(None));
            assert_eq!(parse_choice(&[5]), Ok(None));
            assert_eq!(parse_choice(&[5, method, 9]), Ok(Some((choice, 2))));
        }
        assert_eq!(parse_verdict(&[1]), Ok(None));
        assert_eq!(parse_verdict(&[1, 0]), Ok(Some((true, 2))));
        assert_eq!(parse_verdict(&[1, 1]), Ok(Some((false, 2))));
    }

    #[test]
    fn what_is_not_socks5_is_said_so() {
        assert!(parse_choice(b"HTTP/1.1 400").is_err());
        assert!(parse_choice(&[5, 1]).is_err());
        assert!(parse_verdict(&[5, 0]).is_err());
        assert!(parse_outcome(&[4, 0]).is_err());
        assert!(parse_outcome(&[5, 0, 1]).is_err());
        assert!(parse_outcome(&[5, 0, 0, 2]).is_err());
    }

    /// Whatever bytes there are: no panic, never more than there is, and bytes that come later
    /// change no verdict.
    #[test]
    fn mutated_answers_are_taken_or_refused_and_what_follows_changes_nothing() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |bound: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % bound as u64).expect("it is below bound")
        };
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = OUTCOMES[next(OUTCOMES.len())].to_vec();
            for _ in 0..=next(2) {
                let at = next(bytes.len());
                match next(3) {
                    0 => bytes[at] = [0, 1, 2, 3, 4, 5, 255][next(7)],
                    1 => bytes.insert(at, [0, 1, 2, 3, 4, 5, 255][next(7)]),
                    _ => drop(bytes.remove(at)),
                }
            }
            let whole = parse_outcome(&bytes);
            for end in 0..bytes.len() {
                match (parse_outcome(&bytes[..end]), whole) {
                    (Ok(None), _) => {}
                    (Ok(Some(early)), whole) => assert_eq!(Ok(Some(early)), whole),
                    (Err(_), whole) => assert!(whole.is_err(), "{bytes:?}"),
                }
            }
            match whole {
                Ok(Some((_, len))) => {
                    assert!(len <= bytes.len());
                    taken += 1;
                }
                Ok(None) => {}
                Err(_) => refused += 1,
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} taken, {refused} refused");
    }
}
