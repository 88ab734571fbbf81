//! Making connections.

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};

use crate::handshake;
use crate::state::End;
use crate::transport::{Mux, capabilities};

impl Dialer for Mux {
    fn name(&self) -> &'static str {
        dipole_net::Transport::name(self)
    }

    fn capabilities(&self) -> Capabilities {
        capabilities(self.dialer.capabilities())
    }

    /// `options.timeout` spans the other library's dial and the handshake together.
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        let dial = async {
            let conn = self.dialer.dial_connection(addr, options).await?.into_bytes();
            let conn = conn.ok_or(ErrorKind::Unsupported)?;
            handshake::connection(conn, End::Dialer, &options.streams).await
        };
        Box::pin(async move {
            let Some(limit) = options.timeout else { return dial.await };
            match tokio::time::timeout(limit, dial).await {
                Ok(dialled) => dialled,
                Err(_) => Err(Error::new(ErrorKind::TimedOut)),
            }
        })
    }
}
