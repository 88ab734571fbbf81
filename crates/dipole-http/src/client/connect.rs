//! A new connection: dialled, secured, and what it speaks.

use std::sync::Arc;

use bytes::Bytes;
use dipole_net::{Conn, DialOptions, Dialer, Error, ErrorKind, TlsLayer, TlsOptions};

use super::error::{ClientError, ClientErrorKind};
use super::route::Target;
use super::{ClientConfig, ProtocolChoice};

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// What makes connections.
pub(super) struct Connector {
    pub(super) dialer: Arc<dyn Dialer>,
    pub(super) tls: Option<Arc<dyn TlsLayer>>,
}

/// A connection that is ready for requests.
pub(super) enum Connected {
    Http1(Box<dyn Conn>),
    Http2(Box<dyn Conn>),
}

impl Connector {
    /// The name of the network library.
    pub(super) fn network(&self) -> &'static str {
        self.dialer.name()
    }

    /// It dials by way of a proxy.
    pub(super) fn is_proxied(&self) -> bool {
        self.dialer.capabilities().proxied
    }

    /// Connects to `target`, and agrees on one of what `protocol` allows.
    pub(super) async fn connect(
        &self,
        target: &Target,
        protocol: ProtocolChoice,
        config: &ClientConfig,
    ) -> Result<Connected, ClientError> {
        let Some(name) = &target.server_name else {
            let conn = self.dial(target, config).await?;
            return Ok(match protocol {
                ProtocolChoice::Http2 => Connected::Http2(conn),
                _ => Connected::Http1(conn),
            });
        };
        let Some(tls) = &self.tls else {
            let text = format!(
                "https://{name} needs TLS, which this client has not; add it by `with_tls`, or ask \
                 by http:"
            );
            return Err(ClientError::new(ClientErrorKind::Request, text));
        };
        let conn = self.dial(target, config).await?;
        let mut options = TlsOptions::new(name.as_str());
        options.alpn = offers(protocol).iter().copied().map(Bytes::from_static).collect();
        options.timeout = config.handshake_timeout;
        let secured = tls.add_tls(conn, &options).await;
        let conn = secured.map_err(|error| ClientError::handshake(&target.addr, name, error))?;
        let agreed = conn.tls().and_then(|info| info.alpn.as_deref());
        match agreed {
            Some(HTTP2) if offers(protocol).contains(&HTTP2) => Ok(Connected::Http2(conn)),
            // RFC 7301 3.1: a server without ALPN says nothing.
            Some(HTTP1) | None if offers(protocol).contains(&HTTP1) => Ok(Connected::Http1(conn)),
            _ => {
                let text = format!(
                    "{} does not speak the version of HTTP that was asked for; let it choose",
                    target.addr
                );
                Err(ClientError::new(ClientErrorKind::Connect, text))
            }
        }
    }

    async fn dial(
        &self,
        target: &Target,
        config: &ClientConfig,
    ) -> Result<Box<dyn Conn>, ClientError> {
        let mut options = DialOptions::default();
        options.timeout = config.dial_timeout;
        let dialled = self.dialer.dial_connection(&target.addr, &options).await;
        let conn = dialled.and_then(|connection| {
            connection.into_bytes().ok_or_else(|| Error::new(ErrorKind::Unsupported))
        });
        let mut conn = conn.map_err(|error| ClientError::connect(&target.addr, error))?;
        conn.set_write_timeout(config.write_timeout);
        Ok(conn)
    }
}

/// What is offered by ALPN, best first.
fn offers(protocol: ProtocolChoice) -> &'static [&'static [u8]] {
    match protocol {
        ProtocolChoice::Negotiated | ProtocolChoice::Http3First => &[HTTP2, HTTP1],
        ProtocolChoice::Http1 => &[HTTP1],
        ProtocolChoice::Http2 => &[HTTP2],
        // It comes by another way.
        ProtocolChoice::Http3 => &[],
    }
}
