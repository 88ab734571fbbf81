//! What a protocol gets of its server, for one connection.

use std::fmt;
use std::sync::Arc;

use dipole_net::{BoxFuture, Connection};

use super::exchanges::Exchanges;
use super::protocol::Protocols;
use super::{ConnectionInfo, Phase, Worker};
use crate::{HttpService, ServerConfig};

/// What a [`Protocol`](crate::Protocol) gets of its server, for one connection: the service, the
/// deadlines and limits, and the signal of the drain.
///
/// A protocol answers its requests with [`exchanges`](Self::exchanges).
pub struct Session<S> {
    service: S,
    worker: Arc<Worker>,
    info: Option<ConnectionInfo>,
    protocols: Arc<Protocols<S>>,
    is_secured: bool,
}

impl<S: HttpService> Session<S> {
    /// `is_secured`: the connection is a byte stream under TLS.
    pub(crate) fn new(
        service: S,
        worker: Arc<Worker>,
        info: Option<ConnectionInfo>,
        protocols: Arc<Protocols<S>>,
        is_secured: bool,
    ) -> Self {
        Self { service, worker, info, protocols, is_secured }
    }

    pub(crate) fn into_parts(self) -> (S, Arc<Worker>, Option<ConnectionInfo>, Arc<Protocols<S>>) {
        (self.service, self.worker, self.info, self.protocols)
    }

    /// The server's deadlines and limits.
    #[must_use]
    pub fn config(&self) -> &ServerConfig {
        &self.worker.config
    }

    /// True once the server drains: it takes no new requests any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.worker.registry.phase() > Phase::Serving
    }

    /// For a protocol that has several requests under way at once: what answers them.
    #[must_use]
    pub fn exchanges(self) -> Exchanges<S> {
        Exchanges::new(self.service, self.worker, self.info, self.is_secured)
    }

    /// Gives the connection, of which nothing was consumed, to the protocol of this name.
    ///
    /// # Errors
    /// Not a fault: what was given, when the server has no such protocol.
    pub fn pass_on(
        self,
        connection: Connection,
        name: &[u8],
    ) -> Result<BoxFuture<'static, ()>, (Connection, Self)> {
        let protocols = Arc::clone(&self.protocols);
        match protocols.named(name) {
            Some(protocol) => Ok(protocol.serve(connection, self)),
            None => Err((connection, self)),
        }
    }
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("info", &self.info).finish_non_exhaustive()
    }
}
