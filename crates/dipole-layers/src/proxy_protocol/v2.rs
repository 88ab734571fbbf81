//! Version 2: bytes (section 2.2 of the specification).

use std::net::{IpAddr, SocketAddr};

use dipole_net::Addr;

use super::header::{Header, Parsed, Reason};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, length.
const FIXED: usize = 16;
/// More than any proxy sends, with its certificates and names; a bound for what a peer can make us
/// hold.
const LONGEST: usize = 4096;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP_V4: u8 = 0x11;
const TCP_V6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
/// The path of a Unix socket, filled up with zeros.
const UNIX_PATH: usize = 108;

pub(super) fn encode(header: &Header) -> Vec<u8> {
    let (command, family, addresses) = match header {
        Header::Own => (LOCAL, UNSPECIFIED, Vec::new()),
        Header::Proxied { client, server } => match addresses_of(client, server) {
            Some((family, addresses)) => (PROXY, family, addresses),
            None => (PROXY, UNSPECIFIED, Vec::new()),
        },
    };
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend_from_slice(&[command, family]);
    bytes.extend_from_slice(&(addresses.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&addresses);
    bytes
}

fn addresses_of(client: &Addr, server: &Addr) -> Option<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    let family = match (client, server) {
        (Addr::Ip(SocketAddr::V4(client)), Addr::Ip(SocketAddr::V4(server))) => {
            bytes.extend_from_slice(&client.ip().octets());
            bytes.extend_from_slice(&server.ip().octets());
            TCP_V4
        }
        (Addr::Ip(SocketAddr::V6(client)), Addr::Ip(SocketAddr::V6(server))) => {
            bytes.extend_from_slice(&client.ip().octets());
            bytes.extend_from_slice(&server.ip().octets());
            TCP_V6
        }
        (client, server) => {
            bytes.extend_from_slice(&unix_path_of(client)?);
            bytes.extend_from_slice(&unix_path_of(server)?);
            return Some((UNIX_STREAM, bytes));
        }
    };
    for port in [client.port()?, server.port()?] {
        bytes.extend_from_slice(&port.to_be_bytes());
    }
    Some((family, bytes))
}

fn unix_path_of(addr: &Addr) -> Option<[u8; UNIX_PATH]> {
    let mut field = [0; UNIX_PATH];
    let (at, path) = match addr {
        Addr::Unix(path) => (0, path.as_os_str().as_encoded_bytes()),
        Addr::Abstract(name) => (1, &**name),
        Addr::Unnamed => (0, &[][..]),
        _ => return None,
    };
    field.get_mut(at..at + path.len())?.copy_from_slice(path);
    Some(field)
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Reason> {
    let compared = bytes.len().min(SIGNATURE.len());
    if bytes[..compared] != SIGNATURE[..compared] {
        return Err("the signature is wrong");
    }
    if bytes.len() < FIXED {
        return Ok(Parsed::Needs(FIXED));
    }
    let length = FIXED + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if length > LONGEST {
        return Err("it is longer than 4096 bytes");
    }
    let command = bytes[12];
    if !matches!(command, LOCAL | PROXY) {
        return Err("the version or the command is unknown");
    }
    let Some(rest) = bytes.get(FIXED..length) else {
        return Ok(Parsed::Needs(length));
    };
    let header = match (command, bytes[13]) {
        (LOCAL, _) => Header::Own,
        (_, UNSPECIFIED) => Header::Own,
        (_, TCP_V4) => proxied(rest, |ip: [u8; 4]| ip.into())?,
        (_, TCP_V6) => proxied(rest, |ip: [u8; 16]| ip.into())?,
        (_, UNIX_STREAM) => {
            let paths = rest.get(..2 * UNIX_PATH).ok_or("it is too short for its family")?;
            let (client, server) = paths.split_at(UNIX_PATH);
            further(&rest[2 * UNIX_PATH..])?;
            Header::Proxied { client: unix(client)?, server: unix(server)? }
        }
        _ => return Err("the family is none that a stream has"),
    };
    Ok(Parsed::Whole(header, length))
}

fn proxied<const N: usize>(rest: &[u8], ip: impl Fn([u8; N]) -> IpAddr) -> Result<Header, Reason> {
    let whole = 2 * N + 4;
    let fields = rest.get(..whole).ok_or("it is too short for its family")?;
    let ip_at = |at: usize| {
        let mut octets = [0; N];
        octets.copy_from_slice(&fields[at..at + N]);
        ip(octets)
    };
    let port_at = |at: usize| u16::from_be_bytes([fields[at], fields[at + 1]]);
    further(&rest[whole..])?;
    let client = SocketAddr::new(ip_at(0), port_at(2 * N));
    let server = SocketAddr::new(ip_at(N), port_at(2 * N + 2));
    Ok(Header::Proxied { client: Addr::Ip(client), server: Addr::Ip(server) })
}

fn unix(field: &[u8]) -> Result<Addr, Reason> {
    let is_abstract = field[0] == 0;
    let name = if is_abstract { &field[1..] } else { field };
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    if name.is_empty() {
        return Ok(Addr::Unnamed);
    }
    if is_abstract {
        return Ok(Addr::Abstract(name.into()));
    }
    let path = std::str::from_utf8(name).map_err(|_| "a path is not UTF-8")?;
    Ok(Addr::unix(path))
}

/// What follows the addresses: each a type, a length, and so many bytes (section 2.2.7). None is
/// of use here, but each has to be whole.
fn further(mut rest: &[u8]) -> Result<(), Reason> {
    while let [_, high, low, value @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = value.get(length..).ok_or("a further field is cut short")?;
    }
    if rest.is_empty() { Ok(()) } else { Err("a further field is cut short") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[command, family]);
        bytes.extend_from_slice(&(rest.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn unix_sockets_and_further_fields_are_read() {
        let proxied = Header::Proxied { client: Addr::Unnamed, server: Addr::unix("/run/x") };
        let bytes = encode(&proxied);
        assert_eq!(parse(&bytes), Ok(Parsed::Whole(proxied, bytes.len())));
        let named = Header::Proxied {
            client: Addr::Abstract(b"name"[..].into()),
            server: Addr::unix("/run/x"),
        };
        let bytes = encode(&named);
        assert_eq!(parse(&bytes), Ok(Parsed::Whole(named, bytes.len())));
        let mut rest = [1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 0, 10].to_vec();
        rest.extend_from_slice(&[0x02, 0, 3, b'a', b'b', b'c']);
        assert!(parse(&header(PROXY, TCP_V4, &rest)).is_ok());
        rest.pop();
        assert!(parse(&header(PROXY, TCP_V4, &rest)).is_err());
    }

    #[test]
    fn what_deviates_is_refused() {
        for bytes in [
            header(0x11, TCP_V4, &[0; 12]),
            header(0x22, TCP_V4, &[0; 12]),
            header(PROXY, TCP_V4, &[0; 11]),
            header(PROXY, TCP_V6, &[0; 35]),
            header(PROXY, 0x12, &[0; 12]),
            header(PROXY, 0x41, &[0; 12]),
            header(PROXY, UNIX_STREAM, &[0; 100]),
            header(LOCAL, UNSPECIFIED, &[0; 5000]),
            b"\r\n\r\n\0\r\nQUIX".to_vec(),
        ] {
            assert!(parse(&bytes).is_err(), "{bytes:?}");
        }
    }
}
