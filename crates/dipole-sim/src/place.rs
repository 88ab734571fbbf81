//! Where in the simulated network an address leads.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use dipole_net::{Addr, Error, ErrorKind, Result};

/// A name and a port: what listeners and dialers meet at, however the address was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) name: Arc<str>,
    pub(crate) port: u16,
}

/// How an address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `127.0.0.1:80`
    Ip,
    /// `alpha:80`
    Host,
    /// `sim:alpha:80`
    Sim,
}

impl Place {
    pub(crate) fn parse(addr: &Addr) -> Result<(Self, Form)> {
        match addr {
            Addr::Ip(ip) => Ok((Self::of_ip(ip.ip(), ip.port()), Form::Ip)),
            Addr::Host(name, port) => {
                Ok((Self { name: lower_case(name), port: *port }, Form::Host))
            }
            Addr::Other { scheme, rest } if &**scheme == "sim" => {
                let parts = rest.rsplit_once(':').filter(|(name, _)| !name.is_empty());
                let place = parts.and_then(|(name, port)| {
                    Some(Self { name: lower_case(name), port: port.parse().ok()? })
                });
                let place = place.ok_or_else(|| {
                    let text = format!("{addr} is not an address: write sim:NAME:PORT");
                    Error::with_message(ErrorKind::InvalidInput, text)
                })?;
                Ok((place, Form::Sim))
            }
            _ => {
                let text = format!("{addr}: the simulated network has no such addresses");
                Err(Error::with_message(ErrorKind::Unsupported, text))
            }
        }
    }

    pub(crate) fn of_ip(ip: IpAddr, port: u16) -> Self {
        Self { name: ip.to_string().into(), port }
    }

    /// The address of this place, written in `form` where that can be.
    pub(crate) fn addr(&self, form: Form) -> Addr {
        match (form, self.ip()) {
            (Form::Ip, Some(ip)) => Addr::Ip(SocketAddr::new(ip, self.port)),
            (Form::Host, _) => Addr::Host(self.name.clone(), self.port),
            _ => Addr::other("sim", &format!("{}:{}", self.name, self.port)),
        }
    }

    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    /// Where a dial to this place may find its listener, best first: the place itself, what
    /// `localhost` stands for, and every address of the family.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = Self> {
        let v4 = |ip| Self::of_ip(IpAddr::V4(ip), self.port);
        let v6 = |ip| Self::of_ip(IpAddr::V6(ip), self.port);
        let (any_v4, any_v6) = (v4(Ipv4Addr::UNSPECIFIED), v6(Ipv6Addr::UNSPECIFIED));
        let others = match self.ip() {
            Some(IpAddr::V4(_)) => vec![any_v4, any_v6],
            Some(IpAddr::V6(_)) => vec![any_v6],
            None if &*self.name == "localhost" => {
                vec![v4(Ipv4Addr::LOCALHOST), v6(Ipv6Addr::LOCALHOST), any_v4, any_v6]
            }
            None => Vec::new(),
        };
        std::iter::once(self.clone()).chain(others)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// Host names are the same in either case (RFC 4343).
pub(crate) fn lower_case(name: &str) -> Arc<str> {
    name.to_ascii_lowercase().into()
}
