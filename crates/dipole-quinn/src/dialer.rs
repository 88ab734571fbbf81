//! Dialling.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

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
use crate::sockets::Socket;
use crate::transport::{CAPABILITIES, Quinn};

impl Dialer for Quinn {
    fn name(&self) -> &'static str {
        dipole_net::Transport::name(self)
    }

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
        let (socket, local) = match &self.sockets {
            None => {
                let dialled = dial_udp(peer, options.local, self.options.socket_buffer)?;
                (Socket::System(dialled.0), dialled.1)
            }
            Some(sockets) => {
                let socket = Socket::given(sockets, options.local.unwrap_or_else(|| any(peer)))?;
                let local = socket.local_addr()?;
                (socket, local)
            }
        };
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

/// Any address of the peer's family.
fn any(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
