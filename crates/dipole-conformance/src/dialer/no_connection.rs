//! D1: a dial that cannot succeed says why, in time.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Addr, DialOptions, ErrorKind};
use tokio::time::timeout;

use super::footprint::Footprint;
use crate::Subject;
use crate::pair::{Rendezvous, TemporaryFolder, first_address, listen};
use crate::stopwatch::Stopwatch;
use crate::verdict::{Failure, Verdict, expect_error, expect_error_of};
use crate::waiting::expect_no_later;

/// Far more than a failure on this machine takes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// D1.
pub(super) async fn each_failure_has_its_kind(subject: Arc<Subject>) -> Verdict {
    let mut place = Rendezvous::new(&subject).await?;
    let footprint = Footprint::of(&mut place).await?;
    let capabilities = subject.dialer.capabilities();

    let address = first_address(&subject)?;
    if capabilities.udp {
        // Nothing tells a dialer of UDP for sure that nobody is there.
        let mut options = DialOptions::default();
        options.timeout = Some(Duration::from_millis(300));
        let address = nobody_listens(&subject, &address)?;
        let dialled = subject.dialer.dial_connection(&address, &options).await;
        let kinds = [ErrorKind::TimedOut, ErrorKind::Refused];
        expect_error_of(dialled, &kinds, "a dial to where nobody listens")?;
    } else {
        let address = nobody_listens(&subject, &address)?;
        expect_failure(&subject, &address, &ErrorKind::Refused).await?;
    }
    let foreign = Addr::other("nosuch", "x");
    expect_failure(&subject, &foreign, &ErrorKind::Unsupported).await?;
    if capabilities.host_names {
        // RFC 1035 section 2.3.4: no label is longer than 63 bytes, so no name server is asked.
        let unknown = Addr::host(&format!("{}.invalid", "x".repeat(64)), 80);
        expect_failure(&subject, &unknown, &ErrorKind::UnknownHost).await?;
    }
    if capabilities.tcp || capabilities.udp {
        ip(&subject, &place.address).await?;
    }
    if capabilities.unix_paths {
        unix_paths(&subject).await?;
    }
    if capabilities.unix_abstract {
        // The folder's name is nobody else's, so nobody listens at such a name either.
        let folder = TemporaryFolder::new()?;
        let name = folder.path().as_os_str().as_encoded_bytes();
        let address = Addr::Abstract(name.into());
        expect_failure(&subject, &address, &ErrorKind::Refused).await?;
    }
    footprint.expect_no_more("after failed dials").await
}

async fn ip(subject: &Subject, listening: &Addr) -> Verdict {
    // No way leads to the broadcast address, RFC 1122 section 4.2.3.10; Linux says so without
    // sending a packet, which other systems do not promise.
    if cfg!(target_os = "linux") && subject.dialer.capabilities().tcp {
        let broadcast = Addr::Ip(([255, 255, 255, 255], 80).into());
        expect_failure(subject, &broadcast, &ErrorKind::Unreachable).await?;
    }
    if listening.ip().is_some_and(|ip| ip.is_ipv4()) {
        // RFC 5737: no machine has this address.
        let mut options = within_timeout();
        options.local = Some(([192, 0, 2, 1], 0).into());
        let kind = ErrorKind::AddrNotAvailable;
        expect_failure_with(subject, listening, &options, &kind)
            .await
            .map_err(|failure| failure.of("from an address of another machine"))?;
    }
    Ok(())
}

async fn unix_paths(subject: &Subject) -> Verdict {
    let folder = TemporaryFolder::new()?;
    expect_failure(subject, &folder.address("nothing"), &ErrorKind::NotFound).await?;

    let left = folder.address("left");
    leave_socket(&folder.path().join("left"))?;
    expect_failure(subject, &left, &ErrorKind::Refused).await
}

/// Makes the file of a socket that nobody listens on.
#[cfg(unix)]
fn leave_socket(path: &std::path::Path) -> Verdict {
    // std leaves the path when the listener goes.
    drop(std::os::unix::net::UnixListener::bind(path).map_err(dipole_net::Error::from)?);
    Ok(())
}

/// Elsewhere std has no Unix sockets.
#[cfg(not(unix))]
fn leave_socket(path: &std::path::Path) -> Verdict {
    std::fs::write(path, "").map_err(|error| dipole_net::Error::from(error).into())
}

/// An address that was listened on until a moment ago.
fn nobody_listens(subject: &Subject, address: &Addr) -> Verdict<Addr> {
    Ok(listen(subject, address)?.local_addr())
}

async fn expect_failure(subject: &Subject, address: &Addr, kind: &ErrorKind) -> Verdict {
    expect_failure_with(subject, address, &within_timeout(), kind).await
}

async fn expect_failure_with(
    subject: &Subject,
    address: &Addr,
    options: &DialOptions,
    kind: &ErrorKind,
) -> Verdict {
    let what = format!("dial {address}");
    let watch = Stopwatch::start();
    let dial = subject.dialer.dial_connection(address, options);
    let Ok(dialled) = timeout(TIMEOUT * 2, dial).await else {
        return Err(Failure::broken(format_args!("{what} ignores its timeout of {TIMEOUT:?}")));
    };
    expect_no_later(&what, TIMEOUT, watch.took())?;
    expect_error(dialled, kind, what).map(drop)
}

fn within_timeout() -> DialOptions {
    let mut options = DialOptions::default();
    options.timeout = Some(TIMEOUT);
    options
}
