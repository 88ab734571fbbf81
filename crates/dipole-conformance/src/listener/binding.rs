//! L1, L2: binding an address.

use std::num::NonZeroUsize;
use std::sync::Arc;

use dipole_net::{Addr, ErrorKind, ListenOptions};

use crate::Subject;
use crate::pair::{Rendezvous, TemporaryFolder, first_address};
use crate::verdict::{Failure, Verdict, expect, expect_error};

/// L1.
pub(super) async fn each_failure_has_its_kind(subject: Arc<Subject>) -> Verdict {
    let capabilities = subject.transport.capabilities();
    expect_failure(&subject, &Addr::other("nosuch", "x"), &ErrorKind::Unsupported)?;
    taken(&subject, &first_address(&subject)?).await?;
    if capabilities.tcp || capabilities.udp {
        // RFC 5737: no machine has this address.
        let foreign = Addr::Ip(([192, 0, 2, 1], 0).into());
        expect_failure(&subject, &foreign, &ErrorKind::AddrNotAvailable)?;
        forbidden_port(&subject)?;
    }
    let folder = TemporaryFolder::new()?;
    if capabilities.unix_abstract {
        let name = folder.path().as_os_str().as_encoded_bytes();
        taken(&subject, &Addr::Abstract(name.into())).await?;
    }
    if capabilities.unix_paths {
        taken(&subject, &folder.address("taken")).await?;
        expect_failure(&subject, &folder.address("missing/socket"), &ErrorKind::NotFound)?;
        // No system has room for so long a path in the address of a socket.
        let long = folder.address(&"x".repeat(200));
        expect_failure(&subject, &long, &ErrorKind::InvalidInput)?;
    }
    Ok(())
}

/// Nobody may join an address, however many share it already, and whoever has it keeps it.
async fn taken(subject: &Arc<Subject>, address: &Addr) -> Verdict {
    for shards in [1, 4] {
        let mut options = ListenOptions::default();
        options.shards = NonZeroUsize::new(shards).unwrap_or(NonZeroUsize::MIN);
        let mut listeners = subject.transport.listen(address, &options)?;
        let address = listeners[0].local_addr();
        expect_failure(subject, &address, &ErrorKind::AddrInUse)?;
        let joined = subject.transport.listen(&address, &options);
        expect_error(joined, &ErrorKind::AddrInUse, format!("listen on {address} with shards"))?;
        if shards == 1 {
            let listener = listeners.remove(0);
            let mut place = Rendezvous { subject: Arc::clone(subject), listener, address };
            place.connect_line().await.map_err(|failure| failure.of("after a second listen"))?;
        }
    }
    Ok(())
}

/// A port that this process must not have; without such a port there is nothing to judge.
fn forbidden_port(subject: &Subject) -> Verdict {
    let low = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    match std::net::TcpListener::bind(low) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            expect_failure(subject, &Addr::Ip(low), &ErrorKind::PermissionDenied)
        }
        _ => Ok(()),
    }
}

fn expect_failure(subject: &Subject, address: &Addr, kind: &ErrorKind) -> Verdict {
    let listened = subject.transport.listen(address, &ListenOptions::default());
    expect_error(listened, kind, format!("listen on {address}")).map(drop)
}

/// L2.
pub(super) async fn real_port(subject: Arc<Subject>) -> Verdict {
    for address in &subject.addresses {
        let mut one = Rendezvous::at(&subject, address).await?;
        let mut other = Rendezvous::at(&subject, address).await?;
        expect(one.address.port() != Some(0), || format!("{address} reports port 0"))?;
        expect(one.address != other.address, || {
            format!("{address} listened on twice reports {} both times", one.address)
        })?;
        for place in [&mut one, &mut other] {
            place.connect_line().await.map_err(|failure| failure.of(&place.address))?;
        }
    }
    match subject.addresses.is_empty() {
        true => Err(Failure::broken("the subject has no address")),
        false => Ok(()),
    }
}
