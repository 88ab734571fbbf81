//! D4, D5: the families of addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use dipole_net::Addr;

use crate::Subject;
use crate::line::{dial_line, expect_talk};
use crate::pair::{Rendezvous, TemporaryFolder, listen};
use crate::stopwatch::Stopwatch;
use crate::verdict::{Failure, Verdict, expect_equal};
use crate::waiting::expect_no_later;

const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// D4.
pub(super) async fn every_declared_family(subject: Arc<Subject>) -> Verdict {
    let capabilities = subject.transport.capabilities();
    let folder = TemporaryFolder::new()?;
    let mut addresses = subject.addresses.clone();
    let has_ip = capabilities.tcp || capabilities.udp;
    if has_ip {
        addresses.push(SocketAddr::new(IPV4, 0).into());
    }
    if has_ip && has_ipv6() {
        addresses.push(SocketAddr::new(IPV6, 0).into());
    }
    if capabilities.unix_paths {
        addresses.push(folder.address("socket"));
    }
    if capabilities.unix_abstract {
        // The folder's name is nobody else's.
        addresses.push(Addr::Abstract(folder.path().as_os_str().as_encoded_bytes().into()));
    }
    for address in &addresses {
        let mut place =
            Rendezvous::at(&subject, address).await.map_err(|failure| failure.of(address))?;
        carries_bytes(&mut place).await.map_err(|failure| failure.of(address))?;
    }
    if capabilities.host_names && has_ip {
        host_name(&subject).await.map_err(|failure| failure.of("localhost"))?;
    }
    if has_ip && !has_ipv6() {
        return Err(Failure::not_applicable("IPv6 on this machine; all other families passed"));
    }
    Ok(())
}

/// A dial by name reaches a listener at the name's first address.
async fn host_name(subject: &Arc<Subject>) -> Verdict {
    let Some(ip) = addresses_of_localhost().first().copied() else {
        return Err(Failure::not_applicable("a name on this machine; all addresses passed"));
    };
    let mut place = Rendezvous::at(subject, &SocketAddr::new(ip, 0).into()).await?;
    let port = place.address.port().unwrap_or_default();
    place.address = Addr::host("localhost", port);
    carries_bytes(&mut place).await
}

async fn carries_bytes(place: &mut Rendezvous) -> Verdict {
    expect_talk(&mut place.connect_line().await?).await
}

/// D5.
///
/// The slower family is a listener whose queue is full, so that it answers no further dial; which
/// family a library tries first is its own affair, so each is the slower one once.
pub(super) async fn happy_eyeballs(subject: Arc<Subject>) -> Verdict {
    let capabilities = subject.dialer.capabilities();
    if !capabilities.tcp {
        return Err(Failure::not_applicable("tcp"));
    }
    if !capabilities.host_names {
        return Err(Failure::not_applicable("host_names"));
    }
    let known = addresses_of_localhost();
    if !has_ipv6() || !known.contains(&IPV4) || !known.contains(&IPV6) {
        let name = "a name with an IPv4 and an IPv6 address on this machine (localhost is none)";
        return Err(Failure::not_applicable(name));
    }
    for (quick, slow) in [(IPV4, IPV6), (IPV6, IPV4)] {
        let listener = listen(&subject, &SocketAddr::new(quick, 0).into())?;
        let address = listener.local_addr();
        let of = |failure: Failure, what| failure.of(format_args!("{slow} {what}"));
        let refused = expect_quick(&subject, &address).await;
        refused.map_err(|failure| of(failure, "refuses"))?;
        let silent = Silent::at(SocketAddr::new(slow, address.port().unwrap_or_default()))?;
        let unanswered = expect_quick(&subject, &address).await;
        unanswered.map_err(|failure| of(failure, "is silent"))?;
        drop(silent);
    }
    Ok(())
}

/// `localhost` at the port of `address` is `address`, and soon.
async fn expect_quick(subject: &Subject, address: &Addr) -> Verdict {
    // RFC 8305 section 5: the recommended delay before the next attempt begins.
    const DELAY: Duration = Duration::from_millis(250);
    let watch = Stopwatch::start();
    let conn =
        dial_line(subject, &Addr::host("localhost", address.port().unwrap_or_default())).await?;
    expect_no_later("dial localhost", DELAY, watch.took())?;
    expect_equal(conn.peer_addr(), address.clone(), "peer_addr")
}

/// An address that takes a dial and never answers it.
struct Silent {
    _listener: std::net::TcpListener,
    _queue: Vec<TcpStream>,
}

impl Silent {
    /// Without sending anything beyond this machine. On other systems than Linux a full queue may
    /// refuse, which is no slower than an address without a listener.
    fn at(address: SocketAddr) -> Verdict<Self> {
        let listen = || {
            let listener = std::net::TcpListener::bind(address)?;
            rustix::net::listen(&listener, 0)?;
            let mut queue = Vec::new();
            // The queue takes one more than its length; 16 is past every system's rounding.
            for _ in 0..16 {
                match TcpStream::connect_timeout(&address, Duration::from_millis(10)) {
                    Ok(stream) => queue.push(stream),
                    Err(_) => break,
                }
            }
            Ok(Self { _listener: listener, _queue: queue })
        };
        listen().map_err(|error: std::io::Error| dipole_net::Error::from(error).into())
    }
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind((IPV6, 0)).is_ok()
}

/// From a file, so this waits for no network.
fn addresses_of_localhost() -> Vec<IpAddr> {
    let found = ("localhost", 0).to_socket_addrs();
    found.map(|addresses| addresses.map(|address| address.ip()).collect()).unwrap_or_default()
}
