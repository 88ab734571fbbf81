//! Dialling.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Addr, BoxFuture, Capabilities, Conn, Connection, Error, ErrorKind, KeepAlive, Result,
    StreamConn, StreamOptions, TlsOptions,
};

/// The dialling half of a network library: a value that makes connections.
pub trait Dialer: Send + Sync {
    /// The name of the library that carries the bytes, as
    /// [`Transport::name`](crate::Transport::name) says it. A dialer over another gives that one's,
    /// unless it makes something else of the bytes.
    fn name(&self) -> &'static str;

    /// What the library can do.
    fn capabilities(&self) -> Capabilities;

    /// Connects to `addr`.
    ///
    /// # Errors
    /// `Refused`, `UnknownHost`, `Unreachable`, `NotFound`, `AddrNotAvailable` when `options.local`
    /// is not of this machine, `Unsupported` for an address of another library, and `TimedOut` by `options.timeout`; never a half-made connection (D1, D2).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind (D3).
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>>;
}

impl<D: Dialer + ?Sized> Dialer for std::sync::Arc<D> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        (**self).dial_connection(addr, options)
    }
}

/// Shorter calls over any [`Dialer`].
pub trait DialerExt: Dialer {
    /// Connects a byte stream within `timeout`; `None` is no limit of its own.
    ///
    /// # Errors
    /// As [`Dialer::dial_connection`]; `Unsupported` when the library makes streams.
    fn dial_timeout(
        &self,
        addr: &Addr,
        timeout: Option<Duration>,
    ) -> impl Future<Output = Result<Box<dyn Conn>>> + Send {
        async move {
            let options = DialOptions { timeout, ..DialOptions::default() };
            let connection = self.dial_connection(addr, &options).await?;
            connection.into_bytes().ok_or_else(|| Error::new(ErrorKind::Unsupported))
        }
    }

    /// Connects to carry streams.
    ///
    /// # Errors
    /// As [`Dialer::dial_connection`]; `Unsupported` when the library makes byte streams.
    fn dial_streams(
        &self,
        addr: &Addr,
        options: &DialOptions,
    ) -> impl Future<Output = Result<Box<dyn StreamConn>>> + Send {
        async move {
            let connection = self.dial_connection(addr, options).await?;
            connection.into_streams().ok_or_else(|| Error::new(ErrorKind::Unsupported))
        }
    }
}

impl<D: Dialer + ?Sized> DialerExt for D {}

/// How to dial. What a library has no use for, it leaves alone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DialOptions {
    /// The longest that looking up, connecting and any handshake may take together; `None`, the
    /// default, is no limit of its own.
    pub timeout: Option<Duration>,
    /// The address to dial from; `None`, the default, is any.
    pub local: Option<SocketAddr>,
    /// The interface to dial by, such as `eth0`; `None`, the default, is what the system's routes
    /// say. Libraries over the system's sockets have it on Linux, and fail with `Unsupported`
    /// elsewhere.
    pub interface: Option<Arc<str>>,
    /// Small writes are sent at once (B53). Default true.
    pub nodelay: bool,
    /// Probes that find a dead peer; `None`, the default, is the system's setting.
    pub keepalive: Option<KeepAlive>,
    /// What the handshake asks for, where a library's connections are secured by themselves, as
    /// QUIC's are. `None`, the default, takes the name from the address and the protocols from the
    /// library's own configuration; an empty list of protocols takes these, too.
    pub tls: Option<TlsOptions>,
    /// How a connection of many streams behaves.
    pub streams: StreamOptions,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self {
            timeout: None,
            local: None,
            interface: None,
            nodelay: true,
            keepalive: None,
            tls: None,
            streams: StreamOptions::default(),
        }
    }
}
