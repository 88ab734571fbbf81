//! From a connection's first packet to the end of its handshake.

use std::net::SocketAddr;

use dipole_net::{Connection, Error, ErrorKind, Result, StreamOptions};
use quinn::{Connecting, ZeroRttAccepted};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{Instant, timeout_at};

use crate::conn::QuinnConn;
use crate::error::connection_error;
use crate::port::PendingHandshake;

/// A connection whose first packet has come.
pub(crate) struct Arrival {
    incoming: quinn::Incoming,
    _pending: PendingHandshake,
}

impl Arrival {
    pub(crate) fn new(incoming: quinn::Incoming, pending: PendingHandshake) -> Self {
        Self { incoming, _pending: pending }
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.incoming.remote_address()
    }
}

/// The server's end of the handshake.
pub(crate) async fn accept(
    arrival: Arrival,
    bound: SocketAddr,
    options: StreamOptions,
) -> Result<Connection> {
    let Arrival { incoming, _pending } = arrival;
    let ip = incoming.local_ip().unwrap_or_else(|| bound.ip());
    let local = SocketAddr::new(ip, bound.port());
    let connecting = incoming.accept().map_err(|error| connection_error(error, None))?;
    let deadline = Instant::now() + options.handshake_timeout;
    let conn = match options.early_data {
        true => early(connecting, local, deadline, options).await?,
        false => whole(connecting, local, deadline, options).await?,
    };
    Ok(Connection::Streams(Box::new(conn)))
}

/// The connection once its handshake has ended.
pub(crate) async fn whole(
    connecting: Connecting,
    local: SocketAddr,
    deadline: Instant,
    options: StreamOptions,
) -> Result<QuinnConn> {
    match timeout_at(deadline, connecting).await {
        Ok(Ok(inner)) => Ok(QuinnConn::new(inner, local, None, options)),
        Ok(Err(error)) => Err(connection_error(error, None)),
        Err(_) => Err(late()),
    }
}

/// The connection before its handshake has ended, where it may carry early data; else after it.
pub(crate) async fn early(
    connecting: Connecting,
    local: SocketAddr,
    deadline: Instant,
    options: StreamOptions,
) -> Result<QuinnConn> {
    match connecting.into_0rtt() {
        Ok((inner, accepted)) => {
            let handshake = Handshake::under_way(accepted, deadline);
            Ok(QuinnConn::new(inner, local, Some(handshake), options))
        }
        Err(connecting) => whole(connecting, local, deadline, options).await,
    }
}

fn late() -> Error {
    Error::with_message(ErrorKind::TimedOut, "the handshake took too long")
}

/// The handshake of a connection that is there already.
pub(crate) struct Handshake {
    outcome: OnceCell<()>,
    under_way: Mutex<Option<(ZeroRttAccepted, Instant)>>,
}

impl Handshake {
    fn under_way(accepted: ZeroRttAccepted, deadline: Instant) -> Self {
        Self { outcome: OnceCell::new(), under_way: Mutex::new(Some((accepted, deadline))) }
    }

    /// True once it has been seen to end.
    pub(crate) fn is_over(&self) -> bool {
        self.outcome.initialized()
    }

    /// Waits for its end; whether it went well, the connection knows.
    ///
    /// # Errors
    /// `TimedOut` at its deadline.
    pub(crate) async fn over(&self) -> Result<()> {
        let end = async {
            let mut under_way = self.under_way.lock().await;
            if let Some((accepted, deadline)) = &mut *under_way {
                timeout_at(*deadline, accepted).await.map_err(|_| late())?;
                *under_way = None;
            }
            Ok(())
        };
        self.outcome.get_or_try_init(|| end).await.copied()
    }
}
