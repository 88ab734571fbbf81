//! Dialling.

use std::net::SocketAddr;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};
use dipole_sockets::{dial_host, dial_udp};
use s2n_quic::Client;
use s2n_quic::client::Connect;
use tokio::sync::oneshot;

use crate::config::{client_tls, dialing_io, limits, start_error};
use crate::conn::S2nConn;
use crate::datagrams::{Queues, with_queues};
use crate::error::connection_error;
use crate::events::ClientEvents;
use crate::transport::{CAPABILITIES, S2n};

impl Dialer for S2n {
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

impl S2n {
    async fn dial(&self, peer: SocketAddr, name: String, options: &DialOptions) -> Result<S2nConn> {
        let Some(tls) = &self.client else {
            let text = "there are no roots to trust";
            return Err(Error::with_message(ErrorKind::Unsupported, text));
        };
        let asked = options.tls.clone().unwrap_or_default();
        let name = if asked.server_name.is_empty() { name } else { asked.server_name };
        let (socket, local) = dial_udp(peer, options.local, self.options.socket_buffer)?;
        let (tell, other_version) = oneshot::channel();
        // A socket for each connection, as with TCP. The endpoint ends with its connection.
        let client = with_queues(Client::builder(), Queues::new(&options.streams))
            .with_tls(client_tls(tls, &asked.alpn, &self.options))
            .map_err(start_error)?
            .with_limits(limits(&options.streams)?)
            .map_err(start_error)?
            .with_io(dialing_io(socket, &self.options)?)
            .map_err(start_error)?
            .with_event(ClientEvents { other_version: Some(tell) })
            .map_err(start_error)?
            .start()
            .map_err(start_error)?;
        let attempt = client.connect(Connect::new(peer).with_server_name(name));
        // s2n-quic leaves what a server says about versions to its users.
        let conn = tokio::select! {
            conn = attempt => conn.map_err(|error| connection_error(error, None, Default::default()))?,
            Ok(()) = other_version => return Err(ErrorKind::VersionMismatch.into()),
        };
        S2nConn::new(conn, local, &options.streams)
    }
}
