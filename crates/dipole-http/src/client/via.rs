//! Where a request goes, in place of where its URI points to.

use dipole_net::Addr;

use super::{ClientError, ClientErrorKind};

/// Connects to this address, whatever host the request's URI names: an extension of a request.
///
/// The URI's host is told the server, and is what its certificate is held against. Connections are
/// shared with requests of the same address and URI's host alone. It goes before the builder's
/// [`address`](crate::ClientBuilder::address).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via(pub Addr);

impl Via {
    /// What the pool knows an origin by; it does not tell upper from lower case.
    pub(super) fn key(&self, authority: &str) -> String {
        let mut key = String::new();
        for letter in self.0.to_string().chars() {
            match letter {
                'A'..='Z' => key.extend(['%', letter.to_ascii_lowercase()]),
                '%' | ' ' => key.extend(['%', letter]),
                _ => key.push(letter),
            }
        }
        key + " " + authority
    }
}

impl Via {
    /// `http+unix://%2Frun%2Fx.sock/path` as the way to the socket and the URL of what it is
    /// asked for, `http://localhost/path`; `https+unix` alike. `None` when `url` is another.
    ///
    /// The path of the socket is the host, with each slash as `%2F`; `@NAME` is an abstract name.
    ///
    /// # Errors
    /// `Request` when the host names no socket.
    pub fn split(url: &str) -> Option<Result<(Self, String), ClientError>> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let scheme = scheme.strip_suffix("+unix").filter(|of| matches!(*of, "http" | "https"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let Some(name) = decode(host).filter(|name| !matches!(&**name, "" | "@")) else {
            let text = format!("{url}: write {scheme}+unix://%2FPATH%2FOF%2FSOCKET/PATH");
            return Some(Err(ClientError::new(ClientErrorKind::Request, text)));
        };
        let addr = match name.strip_prefix('@') {
            Some(name) => Addr::Abstract(name.as_bytes().into()),
            None => Addr::unix(name),
        };
        Some(Ok((Self(addr), format!("{scheme}://localhost{target}"))))
    }
}

/// Without its percent-encoding (RFC 3986 section 2.1); `None` when that is wrong, or no UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [char::from(bytes.next()?), char::from(bytes.next()?)];
                let value = digits[0].to_digit(16)? * 16 + digits[1].to_digit(16)?;
                u8::try_from(value).ok().filter(|value| *value != 0)?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_path_of_the_socket() {
        for (url, addr, rest) in [
            ("http+unix://%2Frun%2Fx.sock/a?b", "unix:/run/x.sock", "http://localhost/a?b"),
            ("HTTP+UNIX://%2frun", "unix:/run", "http://localhost"),
            ("http+unix://x%20y?q", "unix:x y", "http://localhost?q"),
            ("http+unix://%40name/", "unix:@name", "http://localhost/"),
            ("https+unix://%2Frun?q", "unix:/run", "https://localhost?q"),
        ] {
            let split = Via::split(url).expect(url).expect(url);
            assert_eq!((split.0.0.to_string().as_str(), split.1.as_str()), (addr, rest));
        }
        assert!(Via::split("http://x/").is_none());
        assert!(Via::split("http+unix:/x").is_none());
        assert!(Via::split("http://x/a+unix://b").is_none());
    }

    #[test]
    fn what_is_no_socket_is_said_so() {
        for host in ["/x", "", "?x", "%2/", "%zz/", "%00/", "@/"] {
            let url = &format!("http+unix://{host}");
            let error = Via::split(url).expect(url).expect_err(url);
            assert_eq!(error.kind(), ClientErrorKind::Request, "{error}");
        }
    }

    #[test]
    fn different_addresses_have_different_keys() {
        let key = |path: &str, authority| Via(Addr::unix(path)).key(authority).to_lowercase();
        assert_ne!(key("/A", "x"), key("/a", "x"));
        assert_ne!(key("/%a", "x"), key("/A", "x"));
        assert_ne!(key("/a", "x"), key("/a", "y"));
        assert_ne!(key("/a b", "x"), key("/a", "b x"));
    }
}
