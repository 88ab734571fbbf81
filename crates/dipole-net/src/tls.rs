//! TLS, as far as the contract knows it: a layer over a connection, and what its handshake found.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{BoxFuture, Conn, Initiator, Result};

/// The client's end of TLS: turns a connection that is there into one that is secured.
///
/// It works over any [`Conn`]: TCP, a tunnel through a proxy, another TLS connection (D7).
pub trait TlsLayer: Send + Sync {
    /// Handshakes over `conn` at once, and gives the secured connection.
    ///
    /// # Errors
    /// `Tls` with the reason when the peer or its certificate is not acceptable (D6), `TimedOut` by
    /// `options.timeout`, or the connection's own error. `conn` is closed then (D8).
    ///
    /// # Cancel safety
    /// Dropping the future closes `conn`.
    fn add_tls<'a>(
        &'a self,
        conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>>;
}

impl<T: TlsLayer + ?Sized> TlsLayer for Arc<T> {
    fn add_tls<'a>(
        &'a self,
        conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>> {
        (**self).add_tls(conn, options)
    }
}

/// What one handshake asks for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// The name or IP address that the peer's certificate must be for (RFC 6066 section 3).
    pub server_name: String,
    /// The protocols to offer by ALPN, best first (RFC 7301); empty offers none.
    pub alpn: Vec<Bytes>,
    /// The longest that the handshake may take; `None`, the default, is no limit of its own.
    pub timeout: Option<Duration>,
}

impl TlsOptions {
    /// A handshake with the peer of this name or IP address, without ALPN.
    #[must_use]
    pub fn new(server_name: impl Into<String>) -> Self {
        Self { server_name: server_name.into(), ..Self::default() }
    }
}

/// What the TLS layer under a connection negotiated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol chosen by ALPN, such as `h2` (RFC 7301); `None` when none was negotiated.
    pub alpn: Option<Bytes>,
    /// The server name that the client asked for (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The protocol version, such as `TLSv1.3`.
    pub version: String,
    /// The cipher suite, by its IANA name.
    pub cipher_suite: String,
    /// The peer's certificates, leaf first, DER; empty when it showed none.
    pub peer_certificates: Vec<Bytes>,
    /// True when a session was resumed.
    pub resumed: bool,
    /// True when bytes of this connection came as early data, which may be replayed.
    pub early_data: bool,
}

/// Why TLS failed, by what a caller or its user can do about it.
///
/// An error of kind [`Tls`](crate::ErrorKind::Tls) carries one:
/// [`Error::tls_fault`](crate::Error::tls_fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsFault {
    /// The peer's certificate has expired.
    Expired,
    /// The peer's certificate is of the future; or this machine's clock is wrong.
    NotYetValid,
    /// The peer's certificate was issued by nobody that is trusted here.
    UnknownIssuer,
    /// The peer's certificate is for other names.
    WrongName,
    /// The peer's certificate was revoked by its issuer.
    Revoked,
    /// The peer's certificate is wrong in another way: its signature, its purpose, its encoding.
    BadCertificate,
    /// The peer showed no certificate where one is required.
    NoCertificate,
    /// The two ends have no version, cipher suite or protocol in common.
    NothingInCommon,
    /// What the peer sends is not TLS.
    NotTls,
    /// The peer gave up and said so by an alert of this number (RFC 8446 section 6).
    Alert(u8),
    /// The certificate, key or option given to this end is wrong.
    Configuration,
    /// Anything else; the error's source says what.
    Other,
}

impl TlsFault {
    /// The reason of a handshake that ended with this alert (RFC 8446 section 6.2), for libraries
    /// that know no more: this end's alert says what it found, the peer's that it gave up.
    #[must_use]
    pub fn of_alert(alert: u8, by: Initiator) -> Self {
        match (by, alert) {
            (Initiator::Peer, _) => Self::Alert(alert),
            (Initiator::Local, 42 | 43 | 46) => Self::BadCertificate,
            (Initiator::Local, 44) => Self::Revoked,
            (Initiator::Local, 45) => Self::Expired,
            (Initiator::Local, 48) => Self::UnknownIssuer,
            (Initiator::Local, 116) => Self::NoCertificate,
            (Initiator::Local, 40 | 70 | 71 | 109 | 120) => Self::NothingInCommon,
            (Initiator::Local, _) => Self::Other,
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate has expired",
            Self::NotYetValid => "the certificate is not valid yet",
            Self::UnknownIssuer => "the certificate's issuer is not trusted",
            Self::WrongName => "the certificate is for another name",
            Self::Revoked => "the certificate was revoked",
            Self::BadCertificate => "the certificate is not acceptable",
            Self::NoCertificate => "the peer showed no certificate",
            Self::NothingInCommon => "the two ends have nothing in common",
            Self::NotTls => "the peer does not speak TLS",
            Self::Alert(number) => return write!(f, "the peer gave up with alert {number}"),
            Self::Configuration => "this end is not set up well",
            Self::Other => "the TLS connection failed",
        })
    }
}
