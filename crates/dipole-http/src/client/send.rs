//! The way of one request: its turn, its connection, and once more where that does no harm.

use std::sync::Arc;

use dipole_net::Conn;
use http::header::UPGRADE;
use http::{Extensions, Method, Response, StatusCode, request, uri};

use super::connect::Connected;
use super::error::{ClientError, ClientErrorKind, Deadline};
use super::pool::{Dialling, Lease, Origin, Preference, Stream, Turn};
use super::race::Way;
use super::route::{Route, Security, Target};
use super::{Forwarding, Inner, ProtocolChoice, ReportConnection, Via};
use crate::Body;
use crate::h1::client::{Ask, Sending, exchange, upgrade};
use crate::h2::client::{self as h2, Link, LinkOptions, Question, Repeat};
use crate::h3::client::{self as h3, Early, Reserved};

/// What the pool knows the proxy by that forwards plain requests; no authority has a space.
const FORWARDED: &str = " forwarded";

/// And the one that makes tunnels over HTTP/3.
const TUNNELLED: &str = " tunnelled";

/// What a request needs of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Any,
    /// A connection of HTTP/1.1 that it may turn into something else.
    Upgrade,
    /// A stream of HTTP/2 or HTTP/3 that is a tunnel (RFC 8441, RFC 9220).
    ExtendedConnect,
}

/// A new connection, ready for its first request.
enum Made {
    Http1(Box<dyn Conn>, Lease),
    Http2(Stream),
}

/// What a request can go out on. `was_used`: the connection has been good before.
pub(super) enum Ready {
    Http1 { conn: Box<dyn Conn>, lease: Lease, was_used: bool },
    Http2 { stream: Stream, was_used: bool },
    Http3 { stream: Reserved, way: Way, was_used: bool },
}

impl Manner {
    fn of(parts: &request::Parts, protocol: ProtocolChoice) -> Self {
        if parts.method == Method::CONNECT {
            match parts.extensions.get::<hyper::ext::Protocol>() {
                Some(_) => Self::ExtendedConnect,
                None if matches!(protocol, ProtocolChoice::Http2 | ProtocolChoice::Http3) => {
                    Self::Any
                }
                None => Self::Upgrade,
            }
        } else if !matches!(protocol, ProtocolChoice::Http2 | ProtocolChoice::Http3)
            && parts.headers.contains_key(UPGRADE)
        {
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
            None => match self.tunneller(parts) {
                Some(origin) => origin,
                None => self.origin(&route, &parts.extensions)?,
            },
        };
        let ask = Ask {
            method: &parts.method,
            target: &route.target,
            host: route.host,
            headers: headers.as_deref().unwrap_or(&parts.headers),
            limits: &self.limits,
            wants_report: self.config.report_connection
                || parts.extensions.get::<ReportConnection>().is_some(),
        };
        if manner == Manner::Upgrade {
            return Box::pin(self.upgrade(&ask, &origin, sending)).await;
        }
        let question =
            Question { ask: &ask, scheme: route.security.scheme(), extensions: &parts.extensions };
        let response = self.exchange(&question, manner, &origin, &mut sending).await?;
        if let Some(http3) = self.http3.as_ref().filter(|_| self.config.http3.follow_alt_svc) {
            http3.note(&origin.target, response.headers());
        }
        Ok(response)
    }

    async fn exchange(
        &self,
        question: &Question<'_>,
        manner: Manner,
        origin: &Arc<Origin>,
        sending: &mut Sending,
    ) -> Result<Response<Body>, ClientError> {
        let target = &origin.target;
        let is_idempotent = question.ask.method.is_idempotent();
        let mut preference = Preference::Kept;
        let mut may_use_http3 = target.may_use_http3();
        let mut early = Early::May;
        // An HTTP/3 connection has ended with the request on it.
        let mut was_lost = false;
        let mut tries = 0;
        loop {
            let ready = match &self.http3 {
                Some(http3) if may_use_http3 => {
                    Box::pin(self.race(http3, origin, preference)).await?
                }
                _ if target.protocol == ProtocolChoice::Http3 => {
                    return Err(self.no_http3(target));
                }
                _ => self.ready(origin, preference).await?,
            };
            let (may_repeat, error) = match ready {
                Ready::Http1 { .. } if manner == Manner::ExtendedConnect => {
                    return Err(ClientError::no_http2(target));
                }
                Ready::Http1 { conn, lease, was_used } => {
                    let may_repeat = was_used && is_idempotent;
                    if may_repeat {
                        sending.record();
                    }
                    let network = self.connector.network();
                    match exchange(conn, network, question.ask, sending, lease).await {
                        // The server closed it while nothing was under way, and has seen nothing
                        // of this.
                        Err(fault) if may_repeat && fault.is_gone() && sending.rewind() => {
                            preference = Preference::Fresh;
                            continue;
                        }
                        other => {
                            return other
                                .map_err(|fault| ClientError::of_fault(&target.addr, fault));
                        }
                    }
                }
                Ready::Http2 { stream, was_used } => {
                    tries += 1;
                    sending.record();
                    let stream = Arc::new(stream);
                    let guard = Arc::clone(&stream);
                    let outcome = Box::pin(h2::exchange(stream.link(), question, sending, guard));
                    let fault = match outcome.await {
                        Ok(response) => return Ok(response),
                        Err(fault) => fault,
                    };
                    let may_repeat = match fault.repeat {
                        Repeat::Any => true,
                        // Once, where the connection had been good before, as in HTTP/1.1.
                        Repeat::IfIdempotent => {
                            is_idempotent && was_used && preference == Preference::Kept
                        }
                        Repeat::Never => false,
                    };
                    (may_repeat, ClientError::of_stream_fault(&target.addr, fault.kind))
                }
                Ready::Http3 { stream, way, was_used } => {
                    tries += 1;
                    sending.record();
                    let can_fall_back = target.protocol != ProtocolChoice::Http3;
                    // RFC 8470 5.2: it was too early. RFC 7838 6: that place is none of this
                    // origin's.
                    let refusals: &[StatusCode] = match (early, can_fall_back) {
                        (Early::May, true) => {
                            &[StatusCode::TOO_EARLY, StatusCode::MISDIRECTED_REQUEST]
                        }
                        (Early::May, false) => &[StatusCode::TOO_EARLY],
                        (Early::MayNot, true) => &[StatusCode::MISDIRECTED_REQUEST],
                        (Early::MayNot, false) => &[],
                    };
                    let alt_used = way.alt_used.as_deref();
                    let how = h3::Manner { alt_used, early, refusals };
                    let outcome = Box::pin(h3::exchange(stream, question, how, sending));
                    let fault = match outcome.await {
                        Ok(response) => return Ok(response),
                        Err(fault) => fault,
                    };
                    if let h3::FaultKind::Refused(status) = fault.kind
                        && sending.rewind()
                    {
                        if status == StatusCode::TOO_EARLY {
                            early = Early::MayNot;
                        } else {
                            self.http3_failed(target, &way);
                            may_use_http3 = false;
                        }
                        continue;
                    }
                    // One that was good before may have ended in order.
                    let is_gone = !was_used && fault.is_of_connection();
                    if can_fall_back && (is_gone || fault.is_silence()) {
                        self.http3_failed(target, &way);
                    }
                    may_use_http3 &= !fault.falls_back || !can_fall_back;
                    let may_repeat = match fault.repeat {
                        Repeat::Any => can_fall_back || !fault.falls_back,
                        // Another version may be better off.
                        Repeat::IfIdempotent => {
                            is_idempotent
                                && (was_used || can_fall_back)
                                && !std::mem::replace(&mut was_lost, true)
                        }
                        Repeat::Never => false,
                    };
                    let error = ClientError::of_http3_fault(way.addr(), fault.kind);
                    if may_repeat && tries < self.config.max_tries && sending.rewind() {
                        // Connections of other versions that wait are none the worse.
                        continue;
                    }
                    return Err(error);
                }
            };
            if !may_repeat || tries >= self.config.max_tries || !sending.rewind() {
                return Err(error);
            }
            preference = Preference::Fresh;
        }
    }

    /// A connection of another version than HTTP/3.
    pub(super) async fn ready(
        &self,
        origin: &Arc<Origin>,
        preference: Preference,
    ) -> Result<Ready, ClientError> {
        match self.turn(origin, preference).await? {
            Turn::Stream(stream) => Ok(Ready::Http2 { stream, was_used: true }),
            Turn::Kept(conn, lease) => Ok(Ready::Http1 { conn, lease, was_used: true }),
            Turn::Dial(dialling) => match Box::pin(self.make(origin, dialling)).await? {
                Made::Http2(stream) => Ok(Ready::Http2 { stream, was_used: false }),
                Made::Http1(conn, lease) => Ok(Ready::Http1 { conn, lease, was_used: false }),
            },
        }
    }

    fn http3_failed(&self, target: &Target, way: &Way) {
        if let Some(http3) = &self.http3 {
            http3.failed(target, way);
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

    /// The proxy that is asked for a tunnel over HTTP/3: the URI names the tunnel's other end, and
    /// the certificate is the proxy's. `None` where it is no such request.
    fn tunneller(&self, parts: &request::Parts) -> Option<Arc<Origin>> {
        let protocol = self.config.protocol;
        let is_tunnel = parts.method == Method::CONNECT && parts.uri.scheme().is_none();
        let only = self.only.as_ref().filter(|_| is_tunnel && protocol == ProtocolChoice::Http3)?;
        let authority = uri::Authority::try_from(only.to_string()).ok()?;
        Some(self.pool.origin(Security::Tls, TUNNELLED, || Target {
            addr: only.clone(),
            is_pinned: true,
            ..Target::of(&authority, Security::Tls, protocol)
        }))
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
                is_pinned: true,
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
                        is_pinned: true,
                        ..Target::of(authority, route.security, protocol)
                    },
                    None => Target::plain(only.clone(), protocol),
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
            network: self.connector.network(),
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
        if target.protocol == ProtocolChoice::Http3 {
            return Err(self.no_http3(target));
        }
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
        let network = self.connector.network();
        let outcome = upgrade(conn, network, ask, sending, dialling.stands_apart()).await;
        outcome.map_err(|fault| ClientError::of_fault(&target.addr, fault))
    }
}
