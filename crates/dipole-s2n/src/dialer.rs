//! Dialling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};
use dipole_sockets::{first_connected, look_up};
use s2n_quic::Client;
use s2n_quic::client::Connect;
use s2n_quic::provider::io::tokio::Provider as Io;

use crate::config::{client_tls, limits, start_error};
use crate::conn::S2nConn;
use crate::error::connection_error;
use crate::transport::{CAPABILITIES, S2n, bind};

impl Dialer for S2n {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dial = self.dial(addr, options);
            let dialled = match options.timeout {
                None => dial.await,
                Some(timeout) => tokio::time::timeout(timeout, dial)
                    .await
                    .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
            };
            let conn =
                dialled.map_err(|error| error.context(format!("cannot connect to {addr}")))?;
            Ok(Connection::Streams(Box::new(conn)))
        })
    }
}

impl S2n {
    async fn dial(&self, addr: &Addr, options: &DialOptions) -> Result<S2nConn> {
        match addr {
            Addr::Ip(ip) => self.dial_ip(*ip, &ip.ip().to_string(), options).await,
            Addr::Host(host, port) => {
                let addrs = look_up(host, *port).await?;
                first_connected(addrs, |addr| self.dial_ip(addr, host, options)).await
            }
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }

    async fn dial_ip(
        &self,
        peer: SocketAddr,
        name: &str,
        options: &DialOptions,
    ) -> Result<S2nConn> {
        let Some(tls) = &self.client else {
            let text = "there are no roots to trust";
            return Err(Error::with_message(ErrorKind::Unsupported, text));
        };
        let asked = options.tls.clone().unwrap_or_default();
        let name = if asked.server_name.is_empty() { name } else { &asked.server_name };
        let alpn = if asked.alpn.is_empty() { &self.alpn } else { &asked.alpn };
        let source = source(peer, options.local)?;
        let from = options.local.unwrap_or_else(|| SocketAddr::new(any(peer), 0));
        let socket = bind(from, None)?;
        let local = SocketAddr::new(source, socket.local_addr()?.port());
        // A socket for each connection, as with TCP. The endpoint ends with its connection.
        let client = Client::builder()
            .with_tls(client_tls(tls, alpn))
            .map_err(start_error)?
            .with_limits(limits(&options.streams)?)
            .map_err(start_error)?
            .with_io(Io::builder().with_rx_socket(socket)?.build()?)
            .map_err(start_error)?
            .start()
            .map_err(start_error)?;
        let attempt = client.connect(Connect::new(peer).with_server_name(name));
        let conn = attempt.await.map_err(|error| connection_error(error, None))?;
        Ok(S2nConn::new(conn, local, &options.streams))
    }
}

/// Where packets to `peer` come from. A socket that is connected and dropped finds out, and that
/// no way leads there; it sends nothing.
fn source(peer: SocketAddr, local: Option<SocketAddr>) -> Result<IpAddr> {
    let from = local.map_or(any(peer), |local| local.ip());
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

fn any(peer: SocketAddr) -> IpAddr {
    match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
