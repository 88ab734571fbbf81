//! Dialling.

use std::net::SocketAddr;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};
use dipole_sockets::{dial_host, dial_udp};
use tokio::time::Instant;

use crate::config::client_config;
use crate::conn::QuinnConn;
use crate::error::connect_error;
use crate::handshake::{early, whole};
use crate::port::endpoint;
use crate::transport::{CAPABILITIES, Quinn};

impl Dialer for Quinn {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dial = |peer, name| self.dial(peer, name, options);
            let conn = dial_host(addr, options.timeout, dial).await?;
            Ok(Connection::Streams(Box::new(conn)))
        })
    }
}

impl Quinn {
    async fn dial(
        &self,
        peer: SocketAddr,
        name: String,
        options: &DialOptions,
    ) -> Result<QuinnConn> {
        let Some(tls) = &self.client else {
            let text = "there are no roots to trust";
            return Err(Error::with_message(ErrorKind::Unsupported, text));
        };
        let streams = options.streams.clone();
        let asked = options.tls.clone().unwrap_or_default();
        let name = if asked.server_name.is_empty() { &name } else { &*asked.server_name };
        let (socket, local) = dial_udp(peer, options.local, self.options.socket_buffer)?;
        let config = client_config(tls, &asked.alpn, &streams, &self.options)?;
        let deadline = Instant::now() + streams.handshake_timeout;
        // A socket for each connection, as with TCP. The endpoint ends with its connection.
        let endpoint = endpoint(socket, None)?;
        let connecting = endpoint.connect_with(config, peer, name).map_err(connect_error)?;
        match streams.early_data {
            true => early(connecting, local, deadline, streams).await,
            false => whole(connecting, local, deadline, streams).await,
        }
    }
}
