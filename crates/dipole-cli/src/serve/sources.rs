//! Where `dipole serve` listens: addresses that it binds, or sockets that it was given.

use dipole::net::{Addr, ListenOptions, ListeningSocket};
use listenfd::ListenFd;

use super::inheritance::{self, Heir, Inherited};
use crate::Failure;
use crate::args::ServeArgs;

/// Where it listens when nobody says where.
const DEFAULT: &str = "127.0.0.1:8888";

/// Where to listen.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) site: Vec<Source>,
    pub(super) admin: Vec<Source>,
    /// The earlier process, to be told when this one serves; `None` when there is none.
    pub(super) heir: Option<Heir>,
}

/// One address, or one socket.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) addr: Addr,
    pub(super) options: ListenOptions,
}

impl Sources {
    /// Those of an earlier process, of the service manager, or of the command line.
    pub(super) fn of(args: &ServeArgs) -> Result<Self, Failure> {
        if args.take_over {
            return Self::inherited().map_err(|why| {
                Failure::job(format_args!("cannot take over from an earlier process: {why}"))
            });
        }
        let mut site = activated()?;
        if site.is_empty() && args.listen.is_empty() {
            site.push(bound(DEFAULT)?);
        }
        for text in &args.listen {
            site.push(bound(text)?);
        }
        let admin = args.admin.iter().map(|admin| {
            let mut options = ListenOptions::default();
            options.unix_mode = Some(0o600);
            Source { addr: admin.addr().clone(), options }
        });
        Ok(Self { site, admin: admin.collect(), heir: None })
    }

    fn inherited() -> std::io::Result<Self> {
        let (inheritance, heir) = inheritance::inherit()?;
        let mut sources = Self { heir: Some(heir), ..Self::default() };
        for Inherited { listener, sockets } in inheritance {
            let addr: Addr = listener.address.parse().map_err(std::io::Error::other)?;
            let keepsake = match &addr {
                Addr::Unix(path) if listener.owns_path => Some(dipole_sockets::own_path(path)?),
                _ => None,
            };
            let of = if listener.is_admin { &mut sources.admin } else { &mut sources.site };
            of.extend(sockets.into_iter().map(|socket| match &keepsake {
                Some(keepsake) => given(addr.clone(), socket.keeping(keepsake.clone())),
                None => given(addr.clone(), socket),
            }));
        }
        Ok(sources)
    }
}

fn bound(text: &str) -> Result<Source, Failure> {
    let addr = text
        .parse()
        .map_err(|error| Failure::job(format_args!("cannot listen on {text}: {error}")))?;
    Ok(Source { addr, options: ListenOptions::default() })
}

fn given(addr: Addr, socket: ListeningSocket) -> Source {
    let mut options = ListenOptions::default();
    options.descriptor = Some(socket);
    Source { addr, options }
}

/// The sockets of the service manager (`LISTEN_FDS`, see sd_listen_fds(3)). Their paths are its own:
/// they stay.
fn activated() -> Result<Vec<Source>, Failure> {
    let mut descriptors = ListenFd::from_env();
    let mut sources = Vec::new();
    for index in 0..descriptors.len() {
        let source = match descriptors.take_tcp_listener(index) {
            Ok(Some(tcp)) => tcp.local_addr().map(|addr| given(addr.into(), owned(tcp))),
            _ => match descriptors.take_unix_listener(index) {
                Ok(Some(unix)) => Ok(given(unix_addr(&unix), owned(unix))),
                Ok(None) => continue,
                Err(error) => Err(error),
            },
        };
        sources.push(source.map_err(|error| {
            let number = index + 1;
            Failure::job(format_args!("socket {number} of the service manager: {error}"))
        })?);
    }
    Ok(sources)
}

fn owned(socket: impl Into<std::os::fd::OwnedFd>) -> ListeningSocket {
    ListeningSocket::new(socket.into())
}

fn unix_addr(socket: &std::os::unix::net::UnixListener) -> Addr {
    let addr = socket.local_addr().ok();
    addr.and_then(|addr| addr.as_pathname().map(Addr::unix)).unwrap_or(Addr::Unnamed)
}
