//! Tunnels through a SOCKS5 proxy (RFC 1928).

mod messages;

use std::sync::Arc;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Conn, ConnExt as _, Connection, DialOptions, Dialer, Error,
    ErrorKind, Result,
};

use self::messages::{Choice, Outcome};
use crate::tunnel::{answer, refused, within};
use crate::{Credentials, Resolver};

/// The longest answer, in bytes: one with a name of 255.
const MAX_ANSWER: usize = 4 + 1 + 255 + 2;

/// Dials through a SOCKS5 proxy.
///
/// The proxy looks names up, unless a resolver is given. The timeout of a dial spans the look-up, the
/// dial and the proxy's answers.
#[derive(Clone)]
pub struct Socks5<D> {
    dialer: D,
    addr: Addr,
    credentials: Option<Credentials>,
    resolver: Option<Arc<dyn Resolver>>,
}

impl<D: Dialer> Socks5<D> {
    /// Dials the proxy at `addr` by `dialer`.
    #[must_use]
    pub fn new(dialer: D, addr: Addr) -> Self {
        Self { dialer, addr, credentials: None, resolver: None }
    }

    /// Who asks (RFC 1929), where the proxy wants to know. User and password have 1 to 255 bytes.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Looks names up here, so that the proxy is told addresses alone. They are tried in turn.
    #[must_use]
    pub fn look_up_by(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    async fn dial(&self, addr: &Addr, options: &DialOptions) -> Result<Connection> {
        let too_long = || Error::with_message(ErrorKind::InvalidInput, "the name is too long");
        let (host, port) = match addr {
            Addr::Ip(ip) => return self.tunnel(&messages::connect_to_addr(*ip), options).await,
            Addr::Host(host, port) => (host, *port),
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        let Some(resolver) = &self.resolver else {
            let wish = messages::connect_to_name(host, port).ok_or_else(too_long)?;
            return self.tunnel(&wish, options).await;
        };
        let mut first_error = None;
        for ip in resolver.look_up(host, port).await? {
            match self.tunnel(&messages::connect_to_addr(ip), options).await {
                Ok(connection) => return Ok(connection),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| ErrorKind::UnknownHost.into()))
    }

    async fn tunnel(&self, wish: &[u8], options: &DialOptions) -> Result<Connection> {
        let conn = self.dialer.dial_connection(&self.addr, options).await?.into_bytes();
        let mut conn = conn.ok_or_else(|| Error::new(ErrorKind::Unsupported))?;
        self.authenticate(&mut *conn).await?;
        conn.write_all(wish).await?;
        let parse = |bytes: &[u8]| messages::parse_outcome(bytes).map_err(not_socks);
        match answer(&mut *conn, MAX_ANSWER, parse).await? {
            Outcome(0) => Ok(Connection::Bytes(conn)),
            Outcome(code) => Err(unwilling(code)),
        }
    }

    async fn authenticate(&self, conn: &mut dyn Conn) -> Result<()> {
        conn.write_all(&messages::greeting(self.credentials.as_ref())).await?;
        let parse = |bytes: &[u8]| messages::parse_choice(bytes).map_err(not_socks);
        let denied = |text| Err(Error::with_message(ErrorKind::PermissionDenied, text));
        match (answer(conn, MAX_ANSWER, parse).await?, &self.credentials) {
            (Choice::Nothing, _) => return Ok(()),
            (Choice::Password, Some(credentials)) => {
                let Some(message) = messages::password(credentials) else {
                    return Err(Error::with_message(
                        ErrorKind::InvalidInput,
                        "user and password have 1 to 255 bytes each",
                    ));
                };
                conn.write_all(&message).await?;
            }
            (Choice::Password, None) => {
                return Err(refused("the proxy chose what was not offered"));
            }
            (Choice::NoneOfThese, None) => return denied("the proxy wants a user and password"),
            (Choice::NoneOfThese, Some(_)) => {
                return denied("the proxy wants something else than a user and password");
            }
        }
        let parse = |bytes: &[u8]| messages::parse_verdict(bytes).map_err(not_socks);
        if answer(conn, MAX_ANSWER, parse).await? {
            Ok(())
        } else {
            denied("the proxy does not take this user and password")
        }
    }
}

fn not_socks(fault: messages::NotSocks) -> Error {
    refused(fault.to_string())
}

/// RFC 1928 section 6, as what a caller can do about it.
fn unwilling(code: u8) -> Error {
    let (kind, text) = match code {
        2 => (ErrorKind::PermissionDenied, "the proxy does not allow it"),
        3 => (ErrorKind::Unreachable, "the proxy finds no way to the network"),
        4 => (ErrorKind::Unreachable, "the proxy finds no way to the host"),
        5 => (ErrorKind::Refused, "the proxy was refused there"),
        6 => (ErrorKind::TimedOut, "the proxy was not answered there"),
        8 => (ErrorKind::Unsupported, "the proxy knows no such addresses"),
        _ => (ErrorKind::Refused, "the proxy failed"),
    };
    Error::with_message(kind, text)
}

impl<D: Dialer> Dialer for Socks5<D> {
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
            let dialled = within(options.timeout, self.dial(addr, options)).await;
            dialled.map_err(|error| error.context(format!("no tunnel to {addr} by {}", self.addr)))
        })
    }
}
