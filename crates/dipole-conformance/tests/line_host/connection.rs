//! One connection of the server: its requests and their handlers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dipole_net::{Conn, ConnExt, Connection, ErrorKind, Incoming, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Flaw, Phase, Shared, no_longer};

/// The longest line, in bytes.
const LINE: usize = 64;
/// The most that a client may send ahead before its going is no longer watched for, in bytes.
const AHEAD: usize = 4096;

#[derive(Debug, Clone, Copy)]
enum Request {
    Quick,
    Slow(Duration),
    Panic,
}

/// Serves a connection until either side ends it.
pub(super) async fn serve(
    incoming: Incoming,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) {
    let peer = incoming.peer_addr().clone();
    let Ok(Some(mut conn)) = incoming.accept().await.map(Connection::into_bytes) else {
        return;
    };
    let allowed = (shared.options.on_connect)(&peer);
    if !allowed && shared.flaw != Some(Flaw::IgnoresRefusal) {
        return;
    }
    let keeps_idle = shared.flaw == Some(Flaw::KeepsIdle);
    let mut used = false;
    loop {
        conn.release();
        // A client that was accepted before the swap may have its first request under way.
        let stays = |phase: &Phase| match phase {
            Phase::Serve => true,
            Phase::Leave => !used,
            Phase::End(_) => false,
        };
        let request = tokio::select! {
            biased;
            () = no_longer(&mut phase, stays), if !keeps_idle => return,
            request = read_request(&mut *conn) => request,
        };
        used = true;
        let Ok(request) = request else { return };
        match handle(&mut *conn, request, &shared).await {
            Ok(Then::GoesOn) => {}
            Ok(Then::Ends) | Err(_) => return,
        }
    }
}

async fn read_request(conn: &mut dyn Conn) -> Result<Request> {
    loop {
        let held = conn.buffered();
        if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
            let request = parse(&held[..end]).ok_or(ErrorKind::InvalidInput)?;
            conn.skip(end + 1)?;
            return Ok(request);
        }
        if held.len() >= LINE {
            return Err(ErrorKind::InvalidInput.into());
        }
        let more = held.len() + 1;
        conn.peek(more).await?;
    }
}

fn parse(line: &[u8]) -> Option<Request> {
    match std::str::from_utf8(line).ok()?.split_once(' ') {
        Some(("slow", milliseconds)) => {
            milliseconds.parse().ok().map(|number| Request::Slow(Duration::from_millis(number)))
        }
        None if line == b"quick" => Some(Request::Quick),
        None if line == b"panic" => Some(Request::Panic),
        _ => None,
    }
}

/// What becomes of a connection after an answer.
enum Then {
    GoesOn,
    Ends,
}

async fn handle(conn: &mut dyn Conn, request: Request, shared: &Arc<Shared>) -> Result<Then> {
    shared.handlers.begun.fetch_add(1, Ordering::Relaxed);
    let runs_on = shared.flaw == Some(Flaw::RunsOn);
    // A task of its own, so that a panic stays in it; it is stopped when the set is dropped.
    let mut handler = JoinSet::new();
    let guard = Guard { shared: Arc::clone(shared), finished: false };
    handler.spawn(async move {
        respond(request).await;
        guard.finish();
    });
    let watches = shared.options.cancel_on_disconnect && !runs_on;
    let handled = tokio::select! {
        handled = handler.join_next() => handled,
        () = client_has_gone(conn), if watches => return Ok(Then::Ends),
    };
    match handled {
        Some(Ok(())) => {
            conn.write_all(b"ok\n").await?;
            Ok(Then::GoesOn)
        }
        _ if shared.flaw == Some(Flaw::SilentAfterPanic) => Ok(Then::Ends),
        _ => {
            conn.write_all(b"error\n").await?;
            Ok(Then::Ends)
        }
    }
}

/// What the user of a server writes.
async fn respond(request: Request) {
    match request {
        Request::Quick => {}
        Request::Slow(delay) => sleep(delay).await,
        // As `panic!`, but without a message on stderr.
        Request::Panic => std::panic::resume_unwind(Box::new("asked for")),
    }
}

/// Ends when nothing more will come from the client.
async fn client_has_gone(conn: &mut dyn Conn) {
    while conn.len() < AHEAD {
        let more = conn.len() + 1;
        if conn.peek(more).await.is_err() {
            return;
        }
    }
    std::future::pending().await
}

/// Counts a handler that did not run to its end.
struct Guard {
    shared: Arc<Shared>,
    finished: bool,
}

impl Guard {
    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let counter = match self.finished {
            true => return,
            false if std::thread::panicking() => &self.shared.handlers.panicked,
            false => &self.shared.handlers.cancelled,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
