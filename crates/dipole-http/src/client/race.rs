//! HTTP/3 beside the other versions: where it can be had, and who is there first.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Addr, DialOptions, Dialer, Error, ErrorKind, TlsOptions};
use http::{HeaderMap, header};
use tokio::time::Instant;

use super::alt_svc::{Alternative, Cache, CacheLimits, read};
use super::error::{ClientError, ClientErrorKind};
use super::pool::{Attempt, LaneTurn, Origin, Preference};
use super::route::Target;
use super::send::Ready;
use super::service_records::ServiceRecords;
use super::{ClientConfig, Inner, ProtocolChoice};
use crate::h3::client::{Link, LinkOptions, Reserved};

const H3: &[u8] = b"h3";

/// What a client needs for HTTP/3.
pub(super) struct Http3 {
    dialer: Arc<dyn Dialer>,
    records: Option<Arc<dyn ServiceRecords>>,
    known: Mutex<Cache>,
}

/// How long DNS is waited for that says where HTTP/3 is.
const RECORDS_PATIENCE: Duration = Duration::from_millis(50);

/// How long it is remembered that DNS says nothing of it.
const NO_RECORDS_FOR: Duration = Duration::from_secs(300);

/// Where HTTP/3 of an origin is tried.
#[derive(Debug, Clone)]
pub(super) struct Way {
    addr: Addr,
    /// What `Alt-Used` says; `None` when it is the origin itself.
    pub(super) alt_used: Option<Box<str>>,
}

impl Way {
    pub(super) fn addr(&self) -> &Addr {
        &self.addr
    }
}

impl Http3 {
    pub(super) fn new(
        dialer: Arc<dyn Dialer>,
        records: Option<Arc<dyn ServiceRecords>>,
        config: &ClientConfig,
    ) -> Self {
        let limits = CacheLimits {
            origins: config.http3.max_remembered_origins,
            retry_after: config.http3.retry_after,
            max_retry_after: config.http3.max_retry_after,
        };
        Self { dialer, records, known: Mutex::new(Cache::new(limits)) }
    }

    fn known(&self) -> MutexGuard<'_, Cache> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to try; `None` when it is not to be tried now.
    fn way(&self, target: &Target) -> Option<Way> {
        let (protocol, key) = (target.protocol, target.key.as_deref()?);
        let own = Way { addr: target.addr.clone(), alt_used: None };
        if protocol == ProtocolChoice::Http3 {
            return Some(own);
        }
        let now = Instant::now();
        let mut known = self.known();
        if !target.is_pinned
            && let Some(Alternative { addr, authority }) = known.choose(key, now)
        {
            return Some(Way { addr, alt_used: authority });
        }
        let is_wanted = protocol == ProtocolChoice::Http3First;
        (is_wanted && !known.is_shunned(key, &own.addr, now)).then_some(own)
    }

    /// Asks DNS, where nothing is known.
    async fn look_up(&self, target: &Target) {
        let (Some(records), Some(key)) = (&self.records, target.key.as_deref()) else { return };
        if target.is_pinned || target.protocol == ProtocolChoice::Http3 {
            return;
        }
        let Some((host, Ok(port))) = key.rsplit_once(':').map(|(h, p)| (h, p.parse())) else {
            return;
        };
        if !self.known().begin_look_up(key, NO_RECORDS_FOR, Instant::now()) {
            return;
        }
        let records = records.service_records(host, port);
        let found = tokio::time::timeout(RECORDS_PATIENCE, records).await.unwrap_or_default();
        let of_http3 = found.iter().filter(|record| record.alpn.iter().any(|alpn| *alpn == H3));
        let addrs = of_http3.clone().map(|record| {
            Addr::host(record.target.as_deref().unwrap_or(host), record.port.unwrap_or(port))
        });
        let good_for = found.iter().map(|record| record.time_to_live).min();
        let good_for = good_for.unwrap_or(NO_RECORDS_FOR);
        self.known().looked_up(key, addrs.collect(), good_for, Instant::now());
    }

    /// It has failed there, or was too slow.
    pub(super) fn failed(&self, target: &Target, way: &Way) {
        if let Some(key) = &target.key {
            self.known().failed(key, &way.addr, Instant::now());
        }
    }

    fn is_shunned(&self, target: &Target, way: &Way) -> bool {
        target
            .key
            .as_deref()
            .is_some_and(|key| self.known().is_shunned(key, &way.addr, Instant::now()))
    }

    /// Takes to heart what a response says of where its origin can be reached.
    pub(super) fn note(&self, target: &Target, headers: &HeaderMap) {
        let Some(key) = target.key.as_ref().filter(|_| !target.is_pinned) else { return };
        if !headers.contains_key(header::ALT_SVC) {
            return;
        }
        let age = headers.get(header::AGE).and_then(|age| age.to_str().ok()?.parse().ok());
        let age = Duration::from_secs(age.unwrap_or(0));
        let host = key.rsplit_once(':').map_or(&**key, |(host, _)| host);
        // RFC 9110 5.3: several fields of one name are one list.
        let values: Vec<_> =
            headers.get_all(header::ALT_SVC).iter().map(|v| v.as_bytes()).collect();
        if let Some(said) = read(&values.join(&b","[..])) {
            self.known().note(key, host, said, age, Instant::now());
        }
    }

    pub(super) fn network_changed(&self) {
        self.known().network_changed();
    }
}

impl Inner {
    /// A connection for a request: of HTTP/3, where it can be had soon enough, or of another
    /// version.
    pub(super) async fn race(
        &self,
        http3: &Http3,
        origin: &Arc<Origin>,
        preference: Preference,
    ) -> Result<Ready, ClientError> {
        let target = &origin.target;
        http3.look_up(target).await;
        let Some(way) = http3.way(target) else { return self.ready(origin, preference).await };
        let over_http3 = async {
            let got = self.over_http3(http3, origin, &way).await;
            got.map(|got| got.map(|(stream, was_used)| (stream, way.clone(), was_used)))
        };
        let ready = |(stream, way, was_used)| Ready::Http3 { stream, way, was_used };
        let mut attempt = pin!(over_http3);
        if target.protocol == ProtocolChoice::Http3 {
            return attempt.await?.map(ready).ok_or_else(|| ClientError::ended(&target.addr));
        }
        match tokio::time::timeout(self.config.http3.head_start, attempt.as_mut()).await {
            Ok(Ok(Some(got))) => return Ok(ready(got)),
            Ok(Ok(None) | Err(_)) => return self.ready(origin, preference).await,
            Err(_) => {}
        }
        let mut other = pin!(self.ready(origin, preference));
        let first = poll_fn(|cx| match attempt.as_mut().poll(cx) {
            Poll::Ready(got) => Poll::Ready(First::Http3(got)),
            Poll::Pending => other.as_mut().poll(cx).map(First::Other),
        });
        match first.await {
            First::Http3(Ok(Some(got))) => Ok(ready(got)),
            First::Http3(Ok(None) | Err(_)) => other.await,
            First::Other(Ok(other)) => {
                // Others that wait for the same attempt see this before they try it anew.
                http3.failed(target, &way);
                Ok(other)
            }
            First::Other(Err(error)) => match attempt.await {
                Ok(Some(got)) => Ok(ready(got)),
                Ok(None) | Err(_) => Err(error),
            },
        }
    }

    /// A stream of an HTTP/3 connection, and whether it was there before. `None` when no connection
    /// is allowed.
    async fn over_http3(
        &self,
        http3: &Http3,
        origin: &Arc<Origin>,
        way: &Way,
    ) -> Result<Option<(Reserved, bool)>, ClientError> {
        let target = &origin.target;
        let turn = origin.lane_turn(&way.addr);
        let turn = match self.config.pool_timeout {
            None => turn.await?,
            Some(limit) => tokio::time::timeout(limit, turn).await.unwrap_or_else(|_| {
                Err(ClientError::timed_out(super::Deadline::Pool, &target.addr))
            })?,
        };
        let attempt = match turn {
            None => return Ok(None),
            Some(LaneTurn::Stream(stream)) => return Ok(Some((stream, true))),
            Some(LaneTurn::Dial(attempt)) => attempt,
        };
        if target.protocol != ProtocolChoice::Http3 && http3.is_shunned(target, way) {
            return Ok(None);
        }
        match self.make_http3(http3, target, way, attempt).await {
            Ok(stream) => {
                if let Some(key) = &target.key {
                    http3.known().works(key, &way.addr);
                }
                Ok(Some((stream, false)))
            }
            Err(error) => {
                http3.failed(target, way);
                Err(error)
            }
        }
    }

    async fn make_http3(
        &self,
        http3: &Http3,
        target: &Target,
        way: &Way,
        attempt: Attempt,
    ) -> Result<Reserved, ClientError> {
        let (link, task) = match self.dial_http3(http3, target, way).await {
            Ok(made) => made,
            Err(error) => {
                attempt.failed(&error);
                return Err(error);
            }
        };
        attempt.made(link, task, way.addr.clone()).ok_or_else(|| ClientError::ended(&way.addr))
    }

    async fn dial_http3(
        &self,
        http3: &Http3,
        target: &Target,
        way: &Way,
    ) -> Result<(Link, crate::h3::client::LinkTask), ClientError> {
        let name = target.server_name.as_deref().unwrap_or_default();
        let config = &self.config;
        let mut tls = TlsOptions::new(name);
        tls.alpn = vec![Bytes::from_static(H3)];
        let mut options = DialOptions::default();
        options.timeout = config.dial_timeout;
        options.tls = Some(tls);
        let streams = &mut options.streams;
        // RFC 9114 6.1: servers open none of these.
        streams.streams = 0;
        streams.stream_window = config.http3.stream_window;
        streams.connection_window = config.http3.connection_window;
        streams.send_window = config.http3.send_window;
        streams.idle_timeout = Some(config.http3.peer_timeout);
        streams.keep_alive = config.http3.keep_alive_interval;
        streams.early_data = config.http3.early_data;
        if let Some(timeout) = config.handshake_timeout {
            streams.handshake_timeout = timeout;
        }
        let dialled = http3.dialer.dial_connection(&way.addr, &options).await;
        let conn = dialled.and_then(|connection| {
            connection.into_streams().ok_or_else(|| {
                let text = "the stream dialer of this client makes byte streams";
                Error::with_message(ErrorKind::Unsupported, text)
            })
        });
        let conn = conn.map_err(|error| match error.kind() {
            ErrorKind::Tls => ClientError::handshake(&way.addr, name, error),
            _ => ClientError::connect(&way.addr, error),
        })?;
        let options = LinkOptions {
            max_streams: config.http3.max_streams,
            idle_timeout: config.idle_timeout,
            max_age: config.max_connection_age,
            write_timeout: config.write_timeout,
            max_head_bytes: config.max_head_bytes,
            early_data: config.http3.early_data,
            network: http3.dialer.name(),
        };
        Ok(Link::open(conn, options))
    }

    /// Why a request that is to go over HTTP/3 alone cannot.
    pub(super) fn no_http3(&self, target: &Target) -> ClientError {
        let text = if target.server_name.is_none() {
            "HTTP/3 needs TLS: ask by https:"
        } else if self.http3.is_none() && self.connector.is_proxied() {
            "HTTP/3 does not go through a proxy, and must not go around it; let another version be \
             spoken"
        } else if self.http3.is_none() {
            "HTTP/3 needs a network library of streams; add one by `with_stream_dialer`"
        } else if target.may_use_http3() {
            "upgrades do not go over HTTP/3: ask for a tunnel by an extended CONNECT"
        } else {
            "HTTP/3 does not go over Unix sockets; let another version be spoken"
        };
        ClientError::new(ClientErrorKind::Request, text)
    }
}

enum First<A, B> {
    Http3(A),
    Other(B),
}
