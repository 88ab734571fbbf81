//! Version 1: a line (section 2.1 of the specification).

use std::net::{IpAddr, SocketAddr};

use dipole_net::Addr;

use super::header::{Header, Parsed, Reason};

/// The longest line, with its end.
const LONGEST: usize = 107;
const PREFIX: &[u8] = b"PROXY ";
/// The shortest line: `PROXY UNKNOWN\r\n`.
const SHORTEST: usize = 15;

pub(super) fn encode(header: &Header) -> Vec<u8> {
    if let Header::Proxied { client, server } = header
        && let (Some(client), Some(server)) = (client.ip(), server.ip())
        && client.is_ipv4() == server.is_ipv4()
    {
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let (from, to) = (client.ip(), server.ip());
        return format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), server.port())
            .into();
    }
    b"PROXY UNKNOWN\r\n".to_vec()
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Reason> {
    let compared = bytes.len().min(PREFIX.len());
    if bytes[..compared] != PREFIX[..compared] {
        return Err("it does not begin with \"PROXY \"");
    }
    let seen = &bytes[..bytes.len().min(LONGEST)];
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return match seen.len() < LONGEST {
            true => Ok(Parsed::Needs(SHORTEST.max(seen.len() + 1))),
            false => Err("the line is longer than 107 bytes"),
        };
    };
    let line = std::str::from_utf8(&seen[..end]).map_err(|_| "the line is not ASCII")?;
    let header = line_of(line)?;
    Ok(Parsed::Whole(header, end + 2))
}

fn line_of(line: &str) -> Result<Header, Reason> {
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // What follows is to be ignored.
        return Ok(Header::Own);
    }
    if !matches!(family, "TCP4" | "TCP6") {
        return Err("the family is none of TCP4, TCP6, UNKNOWN");
    }
    let mut next = || words.next().ok_or("a field is missing");
    let (from, to, from_port, to_port) = (next()?, next()?, next()?, next()?);
    if words.next().is_some() {
        return Err("there is a field too many");
    }
    let client = SocketAddr::new(address(from, family)?, port(from_port)?);
    let server = SocketAddr::new(address(to, family)?, port(to_port)?);
    Ok(Header::Proxied { client: Addr::Ip(client), server: Addr::Ip(server) })
}

fn address(text: &str, family: &str) -> Result<IpAddr, Reason> {
    let address: IpAddr = text.parse().map_err(|_| "an address is wrong")?;
    match address.is_ipv4() == (family == "TCP4") {
        true => Ok(address),
        false => Err("an address is of the other family"),
    }
}

fn port(text: &str) -> Result<u16, Reason> {
    let canonical = text == "0" || !text.starts_with('0');
    match canonical && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| "a port is wrong"),
        false => Err("a port is wrong"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deviates_is_refused() {
        for line in [
            "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
            "PROXY \r\n",
            "PROXYTCP4",
            "POST / HTTP/1.1\r\n",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?}");
        }
        let long = format!("PROXY TCP4 {}", "1".repeat(100));
        assert!(parse(long.as_bytes()).is_err());
    }

    #[test]
    fn what_follows_unknown_is_ignored() {
        let line = b"PROXY UNKNOWN ffff:f...f:ffff 1 2 3\r\n";
        assert_eq!(parse(line), Ok(Parsed::Whole(Header::Own, line.len())));
    }
}
