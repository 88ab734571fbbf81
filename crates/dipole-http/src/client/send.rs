//! The way of one request: its turn, its connection, and once more where that does no harm.

use std::sync::Arc;

use dipole_net::Conn;
use http::header::UPGRADE;
use http::{Extensions, Method, Response, request};

use super::connect::Connected;
use super::error::{ClientError, ClientErrorKind, Deadline};
use super::pool::{Dialling, Lease, Origin, Preference, Stream, Turn};
use super::route::{Route, Target};
use super::{Forwarding, Inner, ProtocolChoice, Via};
use crate::Body;
use crate::h1::client::{Ask, Sending, exchange, upgrade};
use crate::h2::client::{self as h2, Link, LinkOptions, Question, Repeat};

/// How often a request is sent that HTTP/2 servers have not looked at.
const MAX_STREAM_TRIES: usize = 4;

/// What the pool knows the proxy by that forwards plain requests; no authority has a space.
const FORWARDED: &str = " forwarded";

/// What a request needs of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Any,
    /// A connection of HTTP/1.1 that it may turn into something else.
    Upgrade,
    /// A stream of HTTP/2 that is a tunnel (RFC 8441).
    ExtendedConnect,
}

/// A new connection, ready for its first request.
enum Made {
    Http1(Box<dyn Conn>, Lease),
    Http2(Stream),
}

impl Manner {
    fn of(parts: &request::Parts, protocol: ProtocolChoice) -> Self {
        if parts.method == Method::CONNECT {
            match parts.extensions.get::<hyper::ext::Protocol>() {
                Some(_) => Self::ExtendedConnect,
                None if protocol == ProtocolChoice::Http2 => Self::Any,
                None => Self::Upgrade,
            }
        } else if protocol != ProtocolChoice::Http2 && parts.headers.contains_key(UPGRADE) {
            Self::Upgrade
        } else {
            Self::Any
        }
    }
}

impl Inner {
    /// Sends a request until it has a response, or must not be sent again.
    pub(super) async fn send(
        &self,
        parts: &request::Parts,
        mut sending: Sending,
    ) -> Result<Response<Body>, ClientError> {
        let mut route = Route::of(parts)?;
        let manner = Manner::of(parts, self.config.protocol);
        let mut headers = None;
        let origin = match self.forwarding(&route, manner, &parts.extensions) {
            Some(forwarding) => {
                route = route.in_absolute_form();
                headers = Some(Box::new(forwarding.headers(&parts.headers)));
                self.pool.origin(route.security, FORWARDED, || forwarding.target())
            }
            None => self.origin(&route, &parts.extensions)?,
        };
        let ask = Ask {
            method: &parts.method,
            target: &route.target,
            host: route.host,
            headers: headers.as_deref().unwrap_or(&parts.headers),
            limits: &self.limits,
        };
        if manner == Manner::Upgrade {
            return Box::pin(self.upgrade(&ask, &origin, sending)).await;
        }
        let question =
            Question { ask: &ask, scheme: route.security.scheme(), extensions: &parts.extensions };
        let mut preference = Preference::Kept;
        let mut tries = 0;
        loop {
            let (stream, was_used) = match self.turn(&origin, preference).await? {
                Turn::Stream(stream) => (stream, true),
                Turn::Kept(..) if manner == Manner::ExtendedConnect => {
                    return Err(ClientError::no_http2(&origin.target));
                }
                Turn::Kept(conn, lease) => {
                    let may_repeat = parts.method.is_idempotent();
                    if may_repeat {
                        sending.record();
                    }
                    match exchange(conn, &ask, &mut sending, lease).await {
                        // The server closed it while nothing was under way, and has seen nothing
                        // of this.
                        Err(fault) if may_repeat && fault.is_gone() && sending.rewind() => {
                            preference = Preference::Fresh;
                            continue;
                        }
                        other => {
                            return other.map_err(|fault| {
                                ClientError::of_fault(&origin.target.addr, fault)
                            });
                        }
                    }
                }
                Turn::Dial(dialling) => match Box::pin(self.make(&origin, dialling)).await? {
                    Made::Http2(stream) => (stream, false),
                    Made::Http1(..) if manner == Manner::ExtendedConnect => {
                        return Err(ClientError::no_http2(&origin.target));
                    }
                    Made::Http1(conn, lease) => {
                        let outcome = exchange(conn, &ask, &mut sending, lease).await;
                        return outcome
                            .map_err(|fault| ClientError::of_fault(&origin.target.addr, fault));
                    }
                },
            };
            tries += 1;
            sending.record();
            let stream = Arc::new(stream);
            let guard = Arc::clone(&stream);
            let outcome = Box::pin(h2::exchange(stream.link(), &question, &mut sending, guard));
            let fault = match outcome.await {
                Ok(response) => return Ok(response),
                Err(fault) => fault,
            };
            let may_repeat = match fault.repeat {
                Repeat::Any => true,
                // Once, where the connection had been good before, as in HTTP/1.1.
                Repeat::IfIdempotent => {
                    parts.method.is_idempotent() && was_used && preference == Preference::Kept
                }
                Repeat::Never => false,
            };
            if !may_repeat || tries >= MAX_STREAM_TRIES || !sending.rewind() {
                return Err(ClientError::of_stream_fault(&origin.target.addr, fault.kind));
            }
            preference = Preference::Fresh;
        }
    }

    /// The proxy that forwards this request. What may upgrade, or is to go elsewhere, takes its
    /// own way.
    fn forwarding(
        &self,
        route: &Route<'_>,
        manner: Manner,
        extensions: &Extensions,
    ) -> Option<&Forwarding> {
        let forwarding = self.forwarding.as_ref()?;
        let is_free = self.only.is_none() && extensions.get::<Via>().is_none();
        (is_free && manner == Manner::Any && forwarding.applies(route)).then_some(forwarding)
    }

    fn origin(
        &self,
        route: &Route<'_>,
        extensions: &Extensions,
    ) -> Result<Arc<Origin>, ClientError> {
        let protocol = self.config.protocol;
        if let (Some(via), Some(authority)) = (extensions.get::<Via>(), route.authority) {
            let key = via.key(authority.as_str());
            return Ok(self.pool.origin(route.security, &key, || Target {
                addr: via.0.clone(),
                ..Target::of(authority, route.security, protocol)
            }));
        }
        match (&self.only, route.authority) {
            // What the URI says of the host is no matter, but for a certificate.
            (Some(only), authority) => {
                let name = authority.filter(|_| route.security.is_tls());
                let key = name.map_or("", |authority| authority.as_str());
                Ok(self.pool.origin(route.security, key, || match name {
                    Some(authority) => Target {
                        addr: only.clone(),
                        ..Target::of(authority, route.security, protocol)
                    },
                    None => Target { addr: only.clone(), server_name: None, protocol },
                }))
            }
            (None, Some(authority)) => {
                let target = || Target::of(authority, route.security, protocol);
                Ok(self.pool.origin(route.security, authority.as_str(), target))
            }
            (None, None) => Err(ClientError::new(
                ClientErrorKind::Request,
                "the URI has no host; write http://HOST[:PORT]/PATH",
            )),
        }
    }

    async fn turn(
        &self,
        origin: &Arc<Origin>,
        preference: Preference,
    ) -> Result<Turn, ClientError> {
        let turn = origin.turn(preference);
        match self.config.pool_timeout {
            None => turn.await,
            Some(limit) => tokio::time::timeout(limit, turn).await.unwrap_or_else(|_| {
                Err(ClientError::timed_out(Deadline::Pool, &origin.target.addr))
            }),
        }
    }

    /// Makes a connection.
    async fn make(&self, origin: &Origin, dialling: Dialling) -> Result<Made, ClientError> {
        let target = &origin.target;
        let conn = match self.connector.connect(target, target.protocol, &self.config).await {
            Ok(Connected::Http1(conn)) => return Ok(Made::Http1(conn, dialling.speaks_http1())),
            Ok(Connected::Http2(conn)) => conn,
            Err(error) => {
                dialling.failed(&error);
                return Err(error);
            }
        };
        let options = LinkOptions {
            max_streams: self.config.http2.max_streams,
            idle_timeout: self.config.idle_timeout,
            max_age: self.config.max_connection_age,
            write_timeout: self.config.write_timeout,
            max_head_bytes: self.config.max_head_bytes,
        };
        match Link::open(conn, &self.config.http2, options).await {
            Ok((link, task)) => dialling
                .speaks_http2(link, task)
                .map(Made::Http2)
                .ok_or_else(|| ClientError::ended(&target.addr)),
            Err(fault) => {
                let error = ClientError::of_stream_fault(&target.addr, fault.kind);
                dialling.failed(&error);
                Err(error)
            }
        }
    }

    /// Sends a request on a connection of its own, which may then turn into something else.
    async fn upgrade(
        &self,
        ask: &Ask<'_>,
        origin: &Arc<Origin>,
        sending: Sending,
    ) -> Result<Response<Body>, ClientError> {
        let target = &origin.target;
        if *ask.method == Method::CONNECT && self.only.is_none() {
            return Err(ClientError::new(
                ClientErrorKind::Request,
                "CONNECT goes to a proxy; say which by the builder's `address`",
            ));
        }
        let Turn::Dial(dialling) = self.turn(origin, Preference::Own).await? else {
            return Err(ClientError::ended(&target.addr));
        };
        let conn = match self.connector.connect(target, ProtocolChoice::Http1, &self.config).await {
            Ok(Connected::Http1(conn) | Connected::Http2(conn)) => conn,
            Err(error) => {
                dialling.failed(&error);
                return Err(error);
            }
        };
        let outcome = upgrade(conn, ask, sending, dialling.stands_apart()).await;
        outcome.map_err(|fault| ClientError::of_fault(&target.addr, fault))
    }
}
