//! Dialling.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};
use dipole_sockets::{first_connected, look_up};
use tokio::time::Instant;

use crate::config::client_config;
use crate::conn::QuinnConn;
use crate::error::connect_error;
use crate::handshake::{early, whole};
use crate::port::endpoint;
use crate::transport::{CAPABILITIES, Quinn, bind};

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

impl Quinn {
    async fn dial(&self, addr: &Addr, options: &DialOptions) -> Result<QuinnConn> {
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
    ) -> Result<QuinnConn> {
        let Some(tls) = &self.client else {
            let text = "there are no roots to trust";
            return Err(Error::with_message(ErrorKind::Unsupported, text));
        };
        let streams = options.streams.clone();
        let asked = options.tls.clone().unwrap_or_default();
        let name = if asked.server_name.is_empty() { name } else { &asked.server_name };
        let source = source(peer, options.local)?;
        let from = options.local.unwrap_or_else(|| SocketAddr::new(any(peer), 0));
        let socket = bind(from, None, &self.options)?;
        let local = SocketAddr::new(source, socket.local_addr()?.port());
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
