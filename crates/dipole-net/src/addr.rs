//! Where a listener listens and a dialer dials.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// An address of any network library.
///
/// As text: `127.0.0.1:8888`, `[::1]:0`, `example.org:443` (a host to look up), `unix:/run/x.sock`,
/// `unix:@name` (an abstract name, Linux), and `scheme:rest` for a library with addresses of its
/// own, such as `sim:alpha:80`.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Addr {
    /// An IP address and port.
    Ip(SocketAddr),
    /// A host name and port, looked up by whoever dials.
    Host(Arc<str>, u16),
    /// A Unix socket at a path.
    Unix(Arc<Path>),
    /// A Unix socket in Linux's abstract name space; the name without its leading NUL.
    Abstract(Arc<[u8]>),
    /// A Unix socket without a name: a dialer's own end, mostly.
    Unnamed,
    /// An address of a library with a scheme of its own.
    Other {
        /// The word before the colon, such as `sim`.
        scheme: Arc<str>,
        /// The rest, as that library writes it.
        rest: Arc<str>,
    },
}

impl Addr {
    /// A Unix socket at `path`.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix(path.into().into())
    }

    /// A host name, or an IP address in text, and a port.
    #[must_use]
    pub fn host(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Ip(SocketAddr::new(ip, port)),
            Err(_) => Self::Host(host.into(), port),
        }
    }

    /// An address of a library with a scheme of its own.
    #[must_use]
    pub fn other(scheme: &str, rest: &str) -> Self {
        Self::Other { scheme: scheme.into(), rest: rest.into() }
    }

    /// The IP address and port; `None` for any other kind.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(*addr),
            _ => None,
        }
    }

    /// The port; `None` where the kind has none.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(addr) => Some(addr.port()),
            Self::Host(_, port) => Some(*port),
            _ => None,
        }
    }

    /// The word that names the kind: `tcp`, `unix`, or the scheme of another library.
    #[must_use]
    pub fn scheme(&self) -> &str {
        match self {
            Self::Ip(_) | Self::Host(..) => "tcp",
            Self::Unix(_) | Self::Abstract(_) | Self::Unnamed => "unix",
            Self::Other { scheme, .. } => scheme,
        }
    }
}

impl From<SocketAddr> for Addr {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl TryFrom<&str> for Addr {
    type Error = ParseAddrError;

    fn try_from(text: &str) -> Result<Self, ParseAddrError> {
        text.parse()
    }
}

/// The text is not an address; says which forms there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAddrError {
    text: String,
}

impl fmt::Display for ParseAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an address: write HOST:PORT, [IPV6]:PORT, unix:PATH or unix:@NAME",
            self.text
        )
    }
}

impl std::error::Error for ParseAddrError {}

impl FromStr for Addr {
    type Err = ParseAddrError;

    fn from_str(text: &str) -> Result<Self, ParseAddrError> {
        let wrong = || ParseAddrError { text: text.to_owned() };
        if let Ok(addr) = text.parse() {
            return Ok(Self::Ip(addr));
        }
        let (head, rest) = text.split_once(':').ok_or_else(wrong)?;
        if head == "unix" {
            return match rest.strip_prefix('@') {
                Some("") => Err(wrong()),
                Some(name) => Ok(Self::Abstract(name.as_bytes().into())),
                None if rest.is_empty() => Err(wrong()),
                None => Ok(Self::unix(rest)),
            };
        }
        if let Ok(port) = rest.parse() {
            return if is_host(head) { Ok(Self::Host(head.into(), port)) } else { Err(wrong()) };
        }
        let is_scheme = head.starts_with(|c: char| c.is_ascii_lowercase())
            && head.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        // What begins like an IP address or a host with a bad port is a mistake, not a scheme.
        let is_rest = rest.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.contains("//");
        if is_scheme && is_rest { Ok(Self::other(head, rest)) } else { Err(wrong()) }
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        // Digits and dots alone would be an IP address, and it did not parse as one.
        && !text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
            Self::Unnamed => f.write_str("unix:"),
            Self::Other { scheme, rest } => write!(f, "{scheme}:{rest}"),
        }
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_parses_and_prints_the_same() {
        for text in [
            "127.0.0.1:8888",
            "[::1]:0",
            "example.org:443",
            "localhost:80",
            "unix:/run/x.sock",
            "unix:relative.sock",
            "unix:@name",
            "sim:alpha:80",
        ] {
            let addr: Addr = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(addr.to_string(), text);
        }
    }

    #[test]
    fn mistakes_are_not_addresses() {
        for text in [
            "",
            "8888",
            ":80",
            "127.0.0.1",
            "127.0.0.1:70000",
            "1.2.3:80",
            "::1",
            "host:port:x:",
            "http://x:80",
            "unix:",
            "unix:@",
            "a b:80",
        ] {
            let parsed = text.parse::<Addr>();
            let other = matches!(parsed, Ok(Addr::Other { .. }));
            assert!(parsed.is_err() || (text == "host:port:x:" && other), "{text:?} {parsed:?}");
        }
    }

    #[test]
    fn an_address_is_small() {
        assert!(size_of::<Addr>() <= 40, "{}", size_of::<Addr>());
    }
}
