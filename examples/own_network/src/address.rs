//! Names: `pipe:NAME`.
//!
//! A name belongs to whoever is bound to the abstract Unix socket of that name. The kernel keeps
//! it unique, and takes it back when the process has gone, however it went.

use dipole_net::{Addr, Error, ErrorKind, Result};
use rustix::net::SocketAddrUnix;

/// The scheme of this library's addresses.
const SCHEME: &str = "pipe";

/// The name that stands for any free one, as port 0 does elsewhere.
const ANY: &str = "any";

/// A name to listen on or to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    /// The name in an address: `pipe:NAME`, or the host of `NAME:PORT`, so that URLs such as
    /// `http://hello/` lead here.
    pub(crate) fn of(addr: &Addr) -> Result<Self> {
        match addr {
            Addr::Other { scheme, rest } if &**scheme == SCHEME => Ok(Self((**rest).into())),
            Addr::Host(host, _port) => Ok(Self((**host).into())),
            _ => Err(Error::new(ErrorKind::Unsupported)),
        }
    }

    /// True for the name that stands for any.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == ANY
    }

    /// The names that may be had for any, one after the other.
    pub(crate) fn candidates() -> impl Iterator<Item = Self> {
        let process = std::process::id();
        (0_u32..).map(move |number| Self(format!("{ANY}-{process}-{number}")))
    }

    pub(crate) fn addr(&self) -> Addr {
        Addr::other(SCHEME, &self.0)
    }

    /// The socket that stands for the name.
    ///
    /// # Errors
    /// `InvalidInput` when the name is longer than the system allows.
    pub(crate) fn socket(&self) -> Result<SocketAddrUnix> {
        let name = format!("dipole/own-network/{}", self.0);
        SocketAddrUnix::new_abstract_name(name.as_bytes())
            .map_err(|_| Error::with_message(ErrorKind::InvalidInput, "the name is too long"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_addresses_of_this_library_and_in_hosts() {
        let name = |text: &str| Name::of(&text.parse().expect("an address"));
        assert_eq!(name("pipe:hello").expect("a name"), Name("hello".into()));
        assert_eq!(name("hello:80").expect("a name"), Name("hello".into()));
        for foreign in ["127.0.0.1:80", "unix:/tmp/x", "sim:alpha:80"] {
            let error = name(foreign).expect_err(foreign);
            assert_eq!(*error.kind(), ErrorKind::Unsupported, "{foreign}");
        }
    }

    #[test]
    fn a_name_longer_than_the_system_allows_is_an_error() {
        let error = Name("x".repeat(200)).socket().expect_err("too long");
        assert_eq!(*error.kind(), ErrorKind::InvalidInput);
    }
}
