//! The dialling half.

use std::future::{pending, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
    StreamOptions, TlsOptions,
};

use crate::link::wake;
use crate::network::{Arrived, Carries, Port, Sort, State};
use crate::place::{Form, Place};
use crate::random::Random;
use crate::streams::negotiated;
use crate::wire::Passage;
use crate::{Network, Reach};

impl Dialer for Network {
    fn name(&self) -> &'static str {
        dipole_net::Transport::name(self)
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    /// A dial takes a round trip, more where packets are lost, then waits for room in the listener's queue, in the order in
    /// which dials came. The options `timeout` and `local` count; `local` for IP addresses alone.
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(self.dial_within(addr, options.local, options.timeout, Wanted::Bytes))
    }
}

/// What a dial is to bring about.
#[derive(Debug)]
pub(crate) enum Wanted {
    Bytes,
    Streams { options: StreamOptions, tls: Option<TlsOptions> },
}

impl Wanted {
    fn sort(&self) -> Sort {
        match self {
            Self::Bytes => Sort::Bytes,
            Self::Streams { .. } => Sort::Streams,
        }
    }
}

impl Network {
    pub(crate) async fn dial_within(
        &self,
        addr: &Addr,
        local: Option<SocketAddr>,
        timeout: Option<Duration>,
        wanted: Wanted,
    ) -> Result<Connection> {
        let dial = self.dial(addr, local, wanted);
        let Some(timeout) = timeout else { return dial.await };
        tokio::time::timeout(timeout, dial).await.unwrap_or_else(|_| {
            let text = format!("{addr} did not answer within {timeout:?}");
            Err(Error::with_message(ErrorKind::TimedOut, text))
        })
    }

    async fn dial(
        &self,
        addr: &Addr,
        local: Option<SocketAddr>,
        wanted: Wanted,
    ) -> Result<Connection> {
        let ticket = self.ticket();
        let (place, _) = Place::parse(addr)?;
        let from = local.filter(|_| place.ip().is_some());
        let from = from.map_or_else(|| self.source(addr), |local| local.ip().to_string().into());
        let mut handshake = self.handshake(ticket, from, place.name.clone());
        match self.reach(&place) {
            Reach::Open => {}
            Reach::Unreachable => {
                let text = format!("no way leads to {place}");
                return Err(Error::with_message(ErrorKind::Unreachable, text));
            }
            Reach::Silent => pending().await,
        }
        self.shake_hands(&mut handshake).await?;
        let mut dial = Dial { network: self, place, local, wanted, ticket, waits_at: None };
        poll_fn(|cx| dial.poll(cx.waker())).await
    }

    /// The place of a dial among all.
    fn ticket(&self) -> u64 {
        let mut state = self.lock();
        state.dials += 1;
        state.dials
    }

    fn handshake(&self, ticket: u64, from: Arc<str>, to: Arc<str>) -> Handshake {
        let state = self.lock();
        let config = state.config(&from, &to);
        // Twos in place of a direction: a dial's choices are not those of a connection.
        let random = Random::new(config.seed, &[ticket, 2]);
        let (latency, loss) = (config.latency.clone(), config.loss.probability);
        let back = state.config(&to, &from).latency.clone();
        drop(state);
        Handshake { from, to, latency: [latency, back], loss, random }
    }

    /// Waits until one round trip has got through.
    async fn shake_hands(&self, handshake: &mut Handshake) -> Result<()> {
        let mut wait = FIRST_ATTEMPT;
        for _ in 0..ATTEMPTS {
            let round_trip = handshake.round_trip();
            if self.is_open(&handshake.from, &handshake.to) && !handshake.is_lost() {
                if !round_trip.is_zero() {
                    tokio::time::sleep(round_trip).await;
                }
                return Ok(());
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        let text = format!("{} does not answer", handshake.to);
        Err(Error::with_message(ErrorKind::TimedOut, text))
    }

    /// Both ways.
    fn is_open(&self, from: &Arc<str>, to: &Arc<str>) -> bool {
        let state = self.lock();
        let open = |from, to| state.passage(from, to) == Passage::Open;
        open(from, to) && open(to, from)
    }

    fn reach(&self, place: &Place) -> Reach {
        self.lock().reach.get(&place.name).copied().unwrap_or_default()
    }
}

/// How long a dial waits for the answer to its first packet; each later one waits twice as long
/// (RFC 6298 section 2.1).
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
/// Packets that a dial sends before it gives up, after two minutes.
const ATTEMPTS: usize = 7;

/// The packets with which a dial begins.
struct Handshake {
    from: Arc<str>,
    to: Arc<str>,
    /// There and back.
    latency: [RangeInclusive<Duration>; 2],
    loss: f64,
    random: Random,
}

impl Handshake {
    fn round_trip(&mut self) -> Duration {
        let [there, back] = &self.latency;
        self.random.length(there).saturating_add(self.random.length(back))
    }

    /// Either of the two packets.
    fn is_lost(&mut self) -> bool {
        let Self { random, loss, .. } = self;
        *loss > 0.0 && (random.happens(*loss) || random.happens(*loss))
    }
}

/// A dial that may have to wait for room. Dropped, it leaves its place in the queue.
struct Dial<'a> {
    network: &'a Network,
    place: Place,
    local: Option<SocketAddr>,
    wanted: Wanted,
    ticket: u64,
    /// The listener in whose queue it waits.
    waits_at: Option<Port>,
}

impl Dial<'_> {
    fn poll(&mut self, waker: &Waker) -> Poll<Result<Connection>> {
        let mut state = self.network.lock();
        let sort = self.wanted.sort();
        let ports = self.place.candidates().map(|place| (sort, place));
        let found = ports.into_iter().find(|port| state.bounds.contains_key(port));
        let Some((port, bound)) =
            found.and_then(|port| Some((port.clone(), state.bounds.get_mut(&port)?)))
        else {
            return Poll::Ready(Err(self.nobody_there(&state)));
        };
        let both = match (&self.wanted, &bound.carries) {
            (Wanted::Streams { options, tls }, Carries::Streams(terms)) => {
                let told = negotiated(&terms.protocols, tls.as_ref())?;
                Some(([options.clone(), terms.streams.clone()], told))
            }
            _ => None,
        };
        let is_first = bound.dialers.keys().next().is_none_or(|first| self.ticket <= *first);
        if !is_first || !bound.has_room() {
            let replaced = bound.dialers.insert(self.ticket, waker.clone());
            self.waits_at = Some(port);
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        let own = bound.dialers.remove(&self.ticket);
        self.waits_at = None;
        let (form, place) = (bound.form, &port.1);
        let addr = match (place.ip(), self.place.ip()) {
            // Who listens on every address is reached at the one that was dialled.
            (Some(ip), Some(_)) if ip.is_unspecified() => self.place.addr(Form::Ip),
            (Some(ip), None) if ip.is_unspecified() => {
                Addr::Ip((Ipv4Addr::LOCALHOST, place.port).into())
            }
            _ => bound.addr.clone(),
        };
        let local = self.local.filter(|_| form == Form::Ip);
        let local = local.map(|local| Place::of_ip(local.ip(), local.port()));
        let (conn, accepted) = match both {
            Some(both) => {
                let network = self.network;
                let ends = network.connect_streams(&mut state, &addr, form, local, both);
                let (conn, accepted) = (Box::new(ends.0), Box::new(ends.1));
                (Connection::Streams(conn), Arrived::Streams(accepted))
            }
            None => {
                let (conn, accepted) = self.network.connect(&mut state, &addr, form, local);
                (Connection::Bytes(Box::new(conn)), Arrived::Bytes(Box::new(accepted)))
            }
        };
        let mut woken = [None, None];
        if let Some(bound) = state.bounds.get_mut(&port) {
            woken = [bound.push(accepted), bound.next_dialer()];
        }
        drop(state);
        drop(own);
        woken.into_iter().for_each(wake);
        Poll::Ready(Ok(conn))
    }

    fn nobody_there(&self, state: &State) -> Error {
        let name = &self.place.name;
        let is_known =
            state.known.contains(name) || self.place.ip().is_some() || &**name == "localhost";
        let (kind, text) = if is_known {
            (ErrorKind::Refused, format!("nobody listens at {}", self.place))
        } else {
            (ErrorKind::UnknownHost, format!("there is no host {name}"))
        };
        Error::with_message(kind, text)
    }
}

impl Drop for Dial<'_> {
    fn drop(&mut self) {
        let Some(port) = &self.waits_at else { return };
        let mut state = self.network.lock();
        let Some(bound) = state.bounds.get_mut(port) else {
            return;
        };
        let own = bound.dialers.remove(&self.ticket);
        let next = bound.next_dialer();
        drop(state);
        drop(own);
        wake(next);
    }
}
