//! A header of either version.

use dipole_net::Addr;

use super::{v1, v2};

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Header {
    /// The connection is the proxy's own, or of a family that has no addresses: the real ones hold.
    Own,
    Proxied {
        client: Addr,
        server: Addr,
    },
}

/// What was found at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A header, and its length.
    Whole(Header, usize),
    /// The start of one, which needs so many bytes in all, or more.
    Needs(usize),
}

/// Why bytes are no header.
pub(super) type Reason = &'static str;

/// Looks for a header at the start of `bytes`. Takes no byte beyond it, and refuses as soon as the
/// bytes cannot become one.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Reason> {
    match bytes.first() {
        None => Ok(Parsed::Needs(1)),
        Some(b'P') => v1::parse(bytes),
        Some(b'\r') => v2::parse(bytes),
        Some(_) => Err("it begins with neither version's first byte"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn every_header_is_read_back_whole_and_from_any_part_of_it() {
        let pairs = [("1.2.3.4:5", "6.7.8.9:65535"), ("[2001:db8::1]:1", "[::1]:443")];
        for (client, server) in pairs {
            let header = Header::Proxied { client: addr(client), server: addr(server) };
            for encoded in [v1::encode(&header), v2::encode(&header)] {
                let mut bytes = encoded.clone();
                bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
                assert_eq!(parse(&bytes), Ok(Parsed::Whole(header.clone(), encoded.len())));
                for length in 0..encoded.len() {
                    match parse(&bytes[..length]) {
                        Ok(Parsed::Needs(needs)) => {
                            assert!(needs > length && needs <= encoded.len(), "{length} {needs}");
                        }
                        other => panic!("{other:?} of {length}"),
                    }
                }
            }
        }
        for encoded in [v1::encode(&Header::Own), v2::encode(&Header::Own)] {
            assert_eq!(parse(&encoded), Ok(Parsed::Whole(Header::Own, encoded.len())));
        }
    }

    #[test]
    fn whatever_byte_is_changed_nothing_panics() {
        let header = Header::Proxied { client: addr("1.2.3.4:5"), server: addr("6.7.8.9:80") };
        for encoded in [v1::encode(&header), v2::encode(&header)] {
            for index in 0..encoded.len() {
                for byte in 0..=255 {
                    let mut bytes = encoded.clone();
                    bytes[index] = byte;
                    let _ = parse(&bytes);
                }
            }
        }
    }
}
