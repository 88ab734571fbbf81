//! Sending the last record of a connection that is closed or dropped.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dipole_net::{Conn, Result};
use tokio::runtime::Handle;

/// How long a network that takes nothing is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most that is taken in, in bytes.
const MOST_TAKEN: usize = 64 * 1024;

/// What the peer may have sent that nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Nothing that TLS sends by itself.
    Nothing,
    /// Session tickets, as servers send them after the handshake.
    Tickets,
}

/// Sends what is queued on `conn`, which is `close_notify` alone, and closes it. At once where the
/// network takes it at once; otherwise by a task that has little time.
pub(crate) fn farewell(mut conn: Box<dyn Conn>, unread: Unread) {
    // A task that has used up its budget would find the network unready.
    let parted = {
        let part = tokio::task::unconstrained(poll_fn(|cx| poll_part(&mut *conn, cx)));
        pin!(part).poll(&mut Context::from_waker(Waker::noop()))
    };
    if parted.is_ready() && unread == Unread::Nothing {
        conn.close();
        return;
    }
    let Ok(runtime) = Handle::try_current() else {
        conn.close();
        return;
    };
    runtime.spawn(async move {
        // Whether tickets have come is known once the event source was asked again.
        tokio::task::yield_now().await;
        let part = poll_fn(|cx| poll_part(&mut *conn, cx));
        // Nobody is left to be told of a failure.
        let _ = tokio::time::timeout(PATIENCE, part).await;
        conn.close();
    });
}

/// Sends what is queued, then takes in what has come and nobody will read: session tickets, of a
/// server that is only written to. Closing with unread bytes would make the network answer with a
/// reset, which may take from the peer what was sent before.
fn poll_part(conn: &mut dyn Conn, cx: &mut Context<'_>) -> Poll<Result<()>> {
    std::task::ready!(conn.poll_flush(cx))?;
    let mut taken = 0;
    while taken < MOST_TAKEN {
        taken += conn.len();
        conn.skip(conn.len())?;
        // Ready or not: what comes later is not waited for.
        let Poll::Ready(Ok(())) = conn.poll_fill(cx, 1) else { break };
    }
    Poll::Ready(Ok(()))
}
