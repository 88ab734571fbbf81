//! L4: handshakes beside each other.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Conn, ConnExt, DialerExt, ListenOptions, Listener};
use tokio::task::JoinSet;

use super::stage::{Client, Stage};
use crate::dialer::tls::{echo, needs_tls};
use crate::pair::{dial, first_address};
use crate::tls::Secured;
use crate::verdict::{Verdict, expect_bytes};
use crate::waiting::{Task, within};
use crate::{Shown, Subject};

/// Clients that begin a handshake and say no more.
const SILENT: usize = 20;
/// What others have to be served in meanwhile; far less than a handshake's deadline.
const SOON: Duration = Duration::from_secs(2);

/// L4.
pub(super) async fn one_delays_no_other(subject: Arc<Subject>) -> Verdict {
    if subject.transport.capabilities().streams {
        return super::handshake::silent_client_delays_no_other(subject).await;
    }
    let tls = needs_tls(&subject)?;
    let transport = tls.over(Arc::clone(&subject.transport), Shown::Good);
    let dialer = Arc::new(Secured {
        dialer: Arc::clone(&subject.dialer),
        layer: tls.client(),
        server_name: tls.server_name().into(),
    });

    let mut listeners = transport.listen(&first_address(&subject)?, &ListenOptions::default())?;
    let listener = listeners.remove(0);
    let address = listener.local_addr();
    let _server = Task::start(accept_all(listener));
    let silent = silent_clients(&subject, &address).await?;
    let mut served = within_soon(dialer.dial_timeout(&address, Some(SOON))).await?;
    within("writing", served.write_all(b"here")).await??;
    expect_bytes(within("the echo", served.peek(4)).await??, b"here", "the echo")?;
    drop((served, silent));

    if subject.host.is_none() {
        return Ok(());
    }
    let secured = Arc::new(Subject { transport, dialer, ..Subject::clone(&subject) });
    let stage = Stage::start(&secured).await?;
    let silent = silent_clients(&subject, &stage.address).await?;
    let served = within_soon(secured.dialer.dial_timeout(&stage.address, Some(SOON))).await?;
    Client::new(served, &stage.host).expect_quick_answer().await?;
    drop(silent);
    stage.end().await
}

async fn within_soon(
    dialled: impl Future<Output = dipole_net::Result<Box<dyn Conn>>>,
) -> Verdict<Box<dyn Conn>> {
    dialled.await.map_err(|error| error.context("a dial beside silent clients").into())
}

/// Some say nothing at all, others the beginning of a record.
async fn silent_clients(
    subject: &Subject,
    address: &dipole_net::Addr,
) -> Verdict<Vec<Box<dyn Conn>>> {
    let mut clients = Vec::new();
    for number in 0..SILENT {
        let mut client = dial(subject, address).await?;
        if number % 2 == 0 {
            // RFC 8446 section 5.1: a handshake record of 512 bytes, of which none comes.
            within("writing", client.write_all(&[22, 3, 1, 2, 0])).await??;
        }
        clients.push(client);
    }
    Ok(clients)
}

/// Accepts one after the other; each handshake is a task of its own.
async fn accept_all(mut listener: Box<dyn Listener>) {
    let mut served = JoinSet::new();
    loop {
        let Ok(incoming) = poll_fn(|cx| listener.poll_accept(cx)).await else { return };
        served.spawn(async move {
            if let Ok(connection) = incoming.accept().await
                && let Some(conn) = connection.into_bytes()
            {
                // A client that has left is no failure of the case.
                let _ = echo(conn).await;
            }
        });
    }
}
