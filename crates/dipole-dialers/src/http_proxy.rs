//! Tunnels through an HTTP proxy, by CONNECT (RFC 9110 section 9.3.6).

use std::sync::Arc;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Conn, ConnExt as _, Connection, DialOptions, Dialer, Error,
    ErrorKind, Result, TlsLayer, TlsOptions,
};

use crate::Credentials;
use crate::connect_reply::{ConnectReply, MAX_REPLY};
use crate::tunnel::{answer, refused, within};

/// Dials through an HTTP proxy.
///
/// The proxy looks names up. Its own address is dialled without a tunnel (and with its TLS, if it
/// has): so a client can send it requests to forward. The timeout of a dial spans the dial, the
/// handshake and the proxy's answer.
#[derive(Clone)]
pub struct HttpProxy<D> {
    dialer: D,
    addr: Addr,
    credentials: Option<Credentials>,
    tls: Option<(Arc<dyn TlsLayer>, String)>,
}

impl<D: Dialer> HttpProxy<D> {
    /// Dials the proxy at `addr` by `dialer`.
    #[must_use]
    pub fn new(dialer: D, addr: Addr) -> Self {
        Self { dialer, addr, credentials: None, tls: None }
    }

    /// Who asks, by basic authentication (RFC 7617).
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Speaks with the proxy over TLS, whose certificate has to be for `server_name`.
    #[must_use]
    pub fn with_tls(
        mut self,
        layer: impl TlsLayer + 'static,
        server_name: impl Into<String>,
    ) -> Self {
        self.tls = Some((Arc::new(layer), server_name.into()));
        self
    }

    async fn dial(&self, addr: &Addr, options: &DialOptions) -> Result<Connection> {
        let conn = self.dialer.dial_connection(&self.addr, options).await?.into_bytes();
        let mut conn = conn.ok_or_else(|| Error::new(ErrorKind::Unsupported))?;
        if let Some((layer, name)) = &self.tls {
            conn = layer.add_tls(conn, &TlsOptions::new(name.as_str())).await?;
        }
        if *addr != self.addr {
            self.tunnel(&mut *conn, addr).await?;
        }
        Ok(Connection::Bytes(conn))
    }

    /// Makes `conn`, which leads to the proxy, lead to `addr`.
    async fn tunnel(&self, conn: &mut dyn Conn, addr: &Addr) -> Result<()> {
        let mut head = format!("CONNECT {addr} HTTP/1.1\r\nhost: {addr}\r\n");
        if let Some(credentials) = &self.credentials {
            head += &format!("proxy-authorization: {}\r\n", credentials.basic());
        }
        head += "\r\n";
        conn.write_all(head.as_bytes()).await?;
        let reply = answer(conn, MAX_REPLY, |bytes| {
            let reply = ConnectReply::parse(bytes).map_err(|fault| refused(fault.to_string()))?;
            Ok(reply.map(|reply| (reply, reply.len)))
        });
        let reply = reply.await?;
        if reply.is_success() { Ok(()) } else { Err(unwilling(reply.status)) }
    }
}

/// A status that is no success, as what a caller can do about it.
fn unwilling(status: u16) -> Error {
    match status {
        407 => Error::with_message(
            ErrorKind::PermissionDenied,
            "the proxy wants a user and password, or others (407)",
        ),
        401 | 403 | 405 => Error::with_message(
            ErrorKind::PermissionDenied,
            format!("the proxy does not allow it ({status})"),
        ),
        502..=504 => Error::with_message(
            ErrorKind::Unreachable,
            format!("the proxy cannot connect there ({status})"),
        ),
        _ => refused(format!("the proxy makes no tunnel ({status})")),
    }
}

impl<D: Dialer> Dialer for HttpProxy<D> {
    fn name(&self) -> &'static str {
        self.dialer.name()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.dialer.capabilities();
        capabilities.proxied = true;
        capabilities
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dialled = match addr {
                // The letters that `Addr` takes for a host are none that end a request's line, and
                // neither are those of a host that was made without it.
                Addr::Host(host, _) if !is_plain(host) => Err(ErrorKind::InvalidInput.into()),
                Addr::Ip(_) | Addr::Host(..) => {
                    within(options.timeout, self.dial(addr, options)).await
                }
                _ => Err(ErrorKind::Unsupported.into()),
            };
            dialled.map_err(|error| error.context(format!("no tunnel to {addr} by {}", self.addr)))
        })
    }
}

/// A name that can stand in a request's head.
fn is_plain(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}
