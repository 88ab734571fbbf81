//! The dialling half.

use std::future::{pending, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Poll, Waker};
use std::time::Duration;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};

use crate::link::wake;
use crate::network::State;
use crate::place::{Form, Place};
use crate::random::Random;
use crate::{Network, Reach, SimConn};

impl Dialer for Network {
    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    /// A dial takes a round trip, then waits for room in the listener's queue, in the order in
    /// which dials came. The options `timeout` and `local` count; `local` for IP addresses alone.
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dialled = match options.timeout {
                None => self.dial(addr, options.local).await,
                Some(timeout) => {
                    match tokio::time::timeout(timeout, self.dial(addr, options.local)).await {
                        Ok(dialled) => dialled,
                        Err(_) => {
                            let text = format!("{addr} did not answer within {timeout:?}");
                            Err(Error::with_message(ErrorKind::TimedOut, text))
                        }
                    }
                }
            };
            dialled.map(|conn| Connection::Bytes(Box::new(conn)))
        })
    }
}

impl Network {
    async fn dial(&self, addr: &Addr, local: Option<SocketAddr>) -> Result<SimConn> {
        let (ticket, round_trip) = self.begin_dial();
        let (place, _) = Place::parse(addr)?;
        match self.reach(&place) {
            Reach::Open => {}
            Reach::Unreachable => {
                let text = format!("no way leads to {place}");
                return Err(Error::with_message(ErrorKind::Unreachable, text));
            }
            Reach::Silent => pending().await,
        }
        if !round_trip.is_zero() {
            tokio::time::sleep(round_trip).await;
        }
        let mut dial = Dial { network: self, place, local, ticket, waits_at: None };
        poll_fn(|cx| dial.poll(cx.waker())).await
    }

    /// A ticket, and how long the round trip takes.
    fn begin_dial(&self) -> (u64, Duration) {
        let mut state = self.lock();
        state.dials += 1;
        let latency = &state.config.latency;
        // Twos in place of a direction: a dial's choices are not those of a connection.
        let mut random = Random::new(state.config.seed, &[state.dials, 2]);
        let round_trip = random.length(latency).saturating_add(random.length(latency));
        (state.dials, round_trip)
    }

    fn reach(&self, place: &Place) -> Reach {
        self.lock().reach.get(&place.name).copied().unwrap_or_default()
    }
}

/// A dial that may have to wait for room. Dropped, it leaves its place in the queue.
struct Dial<'a> {
    network: &'a Network,
    place: Place,
    local: Option<SocketAddr>,
    ticket: u64,
    /// The listener in whose queue it waits.
    waits_at: Option<Place>,
}

impl Dial<'_> {
    fn poll(&mut self, waker: &Waker) -> Poll<Result<SimConn>> {
        let mut state = self.network.lock();
        let found = self.place.candidates().find(|place| state.bounds.contains_key(place));
        let Some((place, bound)) =
            found.and_then(|place| Some((place.clone(), state.bounds.get_mut(&place)?)))
        else {
            return Poll::Ready(Err(self.nobody_there(&state)));
        };
        let is_first = bound.dialers.keys().next().is_none_or(|first| self.ticket <= *first);
        if !is_first || !bound.has_room() {
            let replaced = bound.dialers.insert(self.ticket, waker.clone());
            self.waits_at = Some(place);
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        let own = bound.dialers.remove(&self.ticket);
        self.waits_at = None;
        let form = bound.form;
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
        let (conn, accepted) = self.network.connect(&mut state, &addr, form, local);
        let mut woken = [None, None];
        if let Some(bound) = state.bounds.get_mut(&place) {
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
        let Some(place) = &self.waits_at else { return };
        let mut state = self.network.lock();
        let Some(bound) = state.bounds.get_mut(place) else {
            return;
        };
        let own = bound.dialers.remove(&self.ticket);
        let next = bound.next_dialer();
        drop(state);
        drop(own);
        wake(next);
    }
}
