//! Sending the last record of a connection that is closed or dropped.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dipole_net::Conn;
use tokio::runtime::Handle;

/// How long a network that takes nothing is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends what is queued on `conn`, which is `close_notify` alone, and closes it. At once where the
/// network takes it at once; otherwise by a task that has little time.
pub(crate) fn farewell(mut conn: Box<dyn Conn>) {
    // A task that has used up its budget would find the network unready.
    let flushed = {
        let flush = tokio::task::unconstrained(poll_fn(|cx| conn.poll_flush(cx)));
        pin!(flush).poll(&mut Context::from_waker(Waker::noop()))
    };
    match (flushed, Handle::try_current()) {
        (Poll::Pending, Ok(runtime)) => {
            runtime.spawn(async move {
                let flush = poll_fn(|cx| conn.poll_flush(cx));
                // Nobody is left to be told of a failure.
                let _ = tokio::time::timeout(PATIENCE, flush).await;
                conn.close();
            });
        }
        _ => conn.close(),
    }
}
