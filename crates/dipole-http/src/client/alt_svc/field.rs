//! Reads the field `Alt-Svc` (RFC 7838 section 3).

use std::time::Duration;

/// Alternatives that are taken of one field; further ones are passed over.
const MAX_SERVICES: usize = 16;

/// How long an alternative is good for where it does not say (RFC 7838 section 3.1).
const DEFAULT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client) enum AltSvc {
    /// All that was said before is no longer so.
    Clear,
    /// Best first; in place of all that was said before.
    Services(Vec<Service>),
}

/// An alternative, of any protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client) struct Service {
    /// The name of the protocol by ALPN, with percent signs as it came.
    pub(super) protocol: String,
    /// As in a URI, an IPv6 address in brackets; empty for the origin's own host.
    pub(super) host: String,
    pub(super) port: u16,
    /// How long it is good for, from when the response was made.
    pub(super) max_age: Duration,
    /// It outlives a change of this machine's network.
    pub(super) persists: bool,
}

/// Reads a field's value. `None` when it is malformed: then it says nothing.
pub(in crate::client) fn read(value: &[u8]) -> Option<AltSvc> {
    let mut rest = Rest { bytes: value };
    let mut services = Vec::new();
    let mut is_clear = false;
    loop {
        rest.skip_blanks();
        // RFC 9110 5.6.1.2: empty elements of a list are passed over.
        if rest.take(b',') {
            continue;
        }
        if rest.bytes.is_empty() {
            break;
        }
        let protocol = rest.token()?;
        if rest.take(b'=') {
            let service = service(protocol, &mut rest)?;
            if services.len() < MAX_SERVICES {
                services.push(service);
            }
        } else if protocol == "clear" {
            is_clear = true;
        } else {
            return None;
        }
        rest.skip_blanks();
        if !rest.bytes.is_empty() && !rest.take(b',') {
            return None;
        }
    }
    match (is_clear, services.is_empty()) {
        // RFC 7838 3: also where alternatives are beside it.
        (true, _) => Some(AltSvc::Clear),
        (false, true) => None,
        (false, false) => Some(AltSvc::Services(services)),
    }
}

/// What follows `PROTOCOL=`.
fn service(protocol: &str, rest: &mut Rest<'_>) -> Option<Service> {
    let authority = rest.quoted()?;
    let (host, port) = authority.rsplit_once(':')?;
    let mut service = Service {
        protocol: protocol.to_owned(),
        host: host.to_owned(),
        port: number(port).and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0)?,
        max_age: DEFAULT_AGE,
        persists: false,
    };
    if !is_host(host) {
        return None;
    }
    loop {
        rest.skip_blanks();
        if !rest.take(b';') {
            return Some(service);
        }
        rest.skip_blanks();
        let name = rest.token()?;
        if !rest.take(b'=') {
            return None;
        }
        let value = rest.value()?;
        // RFC 7838 3.1: unknown parameters are passed over.
        match name {
            "ma" => service.max_age = Duration::from_secs(number(&value)?),
            "persist" => service.persists = value == "1",
            _ => {}
        }
    }
}

/// A number of digits alone; one that is too large is as large as can be.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Empty, a name or IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_default();
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    text.len() <= 255
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// What is left to be read.
struct Rest<'a> {
    bytes: &'a [u8],
}

impl<'a> Rest<'a> {
    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.bytes {
            self.bytes = rest;
        }
    }

    /// Takes `wanted`, if that is next.
    fn take(&mut self, wanted: u8) -> bool {
        match self.bytes {
            [next, rest @ ..] if *next == wanted => {
                self.bytes = rest;
                true
            }
            _ => false,
        }
    }

    /// RFC 9110 5.6.2.
    fn token(&mut self) -> Option<&'a str> {
        let length = self.bytes.iter().take_while(|b| is_token(**b)).count();
        let (token, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        std::str::from_utf8(token).ok().filter(|token| !token.is_empty())
    }

    /// RFC 9110 5.6.4.
    fn quoted(&mut self) -> Option<String> {
        if !self.take(b'"') {
            return None;
        }
        let mut text = Vec::new();
        loop {
            match self.bytes {
                [b'"', rest @ ..] => {
                    self.bytes = rest;
                    return String::from_utf8(text).ok();
                }
                [b'\\', escaped, rest @ ..] => {
                    text.push(*escaped);
                    self.bytes = rest;
                }
                [byte, rest @ ..] => {
                    text.push(*byte);
                    self.bytes = rest;
                }
                [] => return None,
            }
        }
    }

    fn value(&mut self) -> Option<String> {
        match self.bytes {
            [b'"', ..] => self.quoted(),
            _ => self.token().map(str::to_owned),
        }
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(protocol: &str, host: &str, port: u16, seconds: u64, persists: bool) -> Service {
        let max_age = Duration::from_secs(seconds);
        Service { protocol: protocol.into(), host: host.into(), port, max_age, persists }
    }

    #[test]
    fn alternatives_are_read_in_their_order() {
        const DAY: u64 = 86_400;
        for (value, services) in [
            (r#"h3=":443""#, vec![service("h3", "", 443, DAY, false)]),
            (
                r#"h3="alt.example.org:8443"; ma=60; persist=1, h2=":443""#,
                vec![
                    service("h3", "alt.example.org", 8443, 60, true),
                    service("h2", "", 443, DAY, false),
                ],
            ),
            (r#"h3="[::1]:1";ma="5";v=x"#, vec![service("h3", "[::1]", 1, 5, false)]),
            (r#" , h3=":443" ,, "#, vec![service("h3", "", 443, DAY, false)]),
            (r#"w%3Dx%3Ay#z=":1""#, vec![service("w%3Dx%3Ay#z", "", 1, DAY, false)]),
            (r#"h3=":\443";persist=0"#, vec![service("h3", "", 443, DAY, false)]),
            (r#"h3=":1";ma=99999999999999999999"#, vec![service("h3", "", 1, u64::MAX, false)]),
        ] {
            assert_eq!(read(value.as_bytes()), Some(AltSvc::Services(services)), "{value}");
        }
    }

    #[test]
    fn clear_goes_before_what_is_beside_it() {
        for value in ["clear", " clear ", r#"h3=":443", clear"#] {
            assert_eq!(read(value.as_bytes()), Some(AltSvc::Clear), "{value}");
        }
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for value in [
            "",
            ",",
            "Clear",
            "h3",
            "h3=",
            "h3=443",
            r#"h3="443""#,
            r#"h3=":""#,
            r#"h3=":0""#,
            r#"h3=":65536""#,
            r#"h3=":+1""#,
            r#"h3=":443"#,
            r#"h3="a b:443""#,
            r#"h3="[::g]:443""#,
            r#"h3="[::1:443""#,
            r#"h3="u@h:443""#,
            r#"h3=":443"; ma"#,
            r#"h3=":443"; ma=x"#,
            r#"h3=":443"; ma=-1"#,
            r#"h3=":443" h2=":443""#,
            r#"=":443""#,
            "h3=\":443\\",
        ] {
            assert_eq!(read(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn a_field_is_not_taken_without_bounds() {
        let Some(AltSvc::Services(services)) = read(r#"h3=":1","#.repeat(100).as_bytes()) else {
            panic!("alternatives")
        };
        assert_eq!(services.len(), MAX_SERVICES);
    }
}
