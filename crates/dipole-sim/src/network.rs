//! A network: its places, their listeners, and how it behaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use dipole_net::{Addr, Capabilities, Conn, Connection, StreamConn, StreamOptions, TlsInfo};
use tokio::time::Instant;

use crate::datagram::Mailbox;
use crate::ledger::Ledger;
use crate::link::{Direction, End, Link};
use crate::place::{Form, Place, lower_case};
use crate::streams::{BothOptions, Session, SimStreams};
use crate::wire::{Passage, Wire};
use crate::{Config, Reach, SimConn};

/// A simulated network, and both halves of a network library on it.
///
/// Clones are the same network. Connections are numbered in the order in which they are made, and
/// the faults of each come from the seed, its number and the direction.
#[derive(Clone)]
pub struct Network {
    pub(crate) shared: Arc<Shared>,
    /// Where its dials come from; `None` is the machine of the listener.
    pub(crate) name: Option<Arc<str>>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) ledger: Arc<Ledger>,
    /// When it was made.
    pub(crate) begin: Instant,
}

/// Knows no connection that is accepted. Nothing is woken or dropped under its lock.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) bounds: BTreeMap<Port, Bound>,
    /// Names that exist.
    pub(crate) known: BTreeSet<Arc<str>>,
    pub(crate) reach: BTreeMap<Arc<str>, Reach>,
    /// How the way from one host to another behaves, where it is not `config`.
    pub(crate) ways: BTreeMap<Way, Config>,
    /// The ways that something has gone.
    pub(crate) wires: BTreeMap<Way, Arc<Wire>>,
    /// Ways that nothing gets through.
    pub(crate) cuts: BTreeSet<Way>,
    /// Hosts that are down.
    pub(crate) down: BTreeSet<Arc<str>>,
    /// By how much the wall clock of a host is ahead, in nanoseconds.
    pub(crate) clocks: BTreeMap<Arc<str>, i128>,
    /// Datagram sockets.
    pub(crate) mailboxes: BTreeMap<Place, Arc<Mailbox>>,
    /// Listeners made, each address once.
    pub(crate) listened: u64,
    /// How many more accepts fail.
    pub(crate) failing_accepts: usize,
    /// Dials begun, which is also the ticket of the next one.
    pub(crate) dials: u64,
    connections: u64,
    listening_port: u16,
    dialing_port: u16,
}

/// From one host to another.
pub(crate) type Way = (Arc<str>, Arc<str>);

/// What is listened on: byte streams and connections of streams have ports of their own.
pub(crate) type Port = (Sort, Place);

/// The two sorts of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    Bytes,
    Streams,
}

/// What a listener gives.
#[derive(Debug, Clone)]
pub(crate) enum Carries {
    Bytes,
    Streams(Terms),
}

/// How a listener's connections of streams behave.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) streams: StreamOptions,
    /// Best first; empty is whatever is asked for.
    pub(crate) protocols: Vec<Bytes>,
}

impl Carries {
    pub(crate) fn sort(&self) -> Sort {
        match self {
            Self::Bytes => Sort::Bytes,
            Self::Streams(_) => Sort::Streams,
        }
    }
}

/// A connection that nobody has accepted yet.
#[derive(Debug)]
pub(crate) enum Arrived {
    Bytes(Box<SimConn>),
    Streams(Box<SimStreams>),
}

impl Arrived {
    /// Nobody will accept it.
    pub(crate) fn refuse(self) {
        match self {
            Self::Bytes(mut conn) => conn.reset(),
            Self::Streams(conn) => conn.refuse(),
        }
    }

    pub(crate) fn peer_addr(&self) -> Addr {
        match self {
            Self::Bytes(conn) => conn.peer_addr(),
            Self::Streams(conn) => conn.peer_addr(),
        }
    }
}

impl From<Arrived> for Connection {
    fn from(arrived: Arrived) -> Self {
        match arrived {
            Arrived::Bytes(conn) => Self::Bytes(conn),
            Arrived::Streams(conn) => Self::Streams(conn),
        }
    }
}

/// Two ends of a connection to be.
struct Joined {
    number: u64,
    /// The dialler's first.
    directions: [Direction; 2],
    hosts: [Arc<str>; 2],
    from: Addr,
}

/// An address that is listened on.
pub(crate) struct Bound {
    pub(crate) carries: Carries,
    /// Another one for each listening.
    pub(crate) number: u64,
    pub(crate) addr: Addr,
    pub(crate) form: Form,
    /// `None` where the listener was dropped.
    pub(crate) shards: Vec<Option<Shard>>,
    /// The shard that gets the next connection.
    pub(crate) turn: usize,
    /// The most connections queued, over all shards.
    pub(crate) backlog: usize,
    /// Dials that wait for room, by their tickets.
    pub(crate) dialers: BTreeMap<u64, Waker>,
}

/// One listener of an address.
#[derive(Default)]
pub(crate) struct Shard {
    pub(crate) queue: VecDeque<Arrived>,
    pub(crate) waker: Option<Waker>,
}

/// What a network amounts to at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Dials begun since the network began.
    pub dials: u64,
    /// Connections made since the network began.
    pub made: u64,
    /// Connections of which at least one end is not closed.
    pub connections: usize,
    /// Ends of connections that are not closed.
    pub ends: usize,
    /// Listeners, each shard counted.
    pub listeners: usize,
    /// Connections that no listener has accepted yet.
    pub unaccepted: usize,
    /// Dials that wait for a listener's queue.
    pub waiting_dials: usize,
    /// Bytes flushed that no reader has taken yet.
    pub in_flight: usize,
}

/// Where ports begin that a listener gets for port 0 (RFC 6335 section 6).
const FIRST_LISTENING_PORT: u16 = 49152;
/// Where ports begin that dials come from. They come round again after 32768 dials.
const FIRST_DIALING_PORT: u16 = 32768;

impl Default for Network {
    /// A faultless network.
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl Network {
    /// A network of its own that behaves as `config` says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = State {
            config,
            bounds: BTreeMap::new(),
            known: BTreeSet::new(),
            reach: BTreeMap::new(),
            ways: BTreeMap::new(),
            wires: BTreeMap::new(),
            cuts: BTreeSet::new(),
            down: BTreeSet::new(),
            clocks: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            listened: 0,
            failing_accepts: 0,
            dials: 0,
            connections: 0,
            listening_port: FIRST_LISTENING_PORT,
            dialing_port: FIRST_DIALING_PORT,
        };
        let state = Mutex::new(state);
        let shared = Shared { state, ledger: Arc::default(), begin: Instant::now() };
        Self { shared: Arc::new(shared), name: None }
    }

    /// The same network as seen from the machine `name`, which is where its dials then come from.
    /// Without it a dial comes from the loopback address of the listener's family, or from the
    /// name `dialer`.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        Self { shared: self.shared.clone(), name: Some(lower_case(name)) }
    }

    /// How later connections behave; those that are there stay as they are.
    pub fn set_config(&self, config: Config) {
        self.lock().config = config;
    }

    /// How later connections behave.
    #[must_use]
    pub fn config(&self) -> Config {
        self.lock().config.clone()
    }

    /// Makes a name known though nobody has listened there: a dial is then refused, where it would
    /// otherwise find no such host. Listening makes a name known too; IP addresses always are.
    pub fn add_host(&self, name: &str) {
        self.lock().known.insert(lower_case(name));
    }

    /// Whether later dials reach `name`, a host or an IP address. Connections that are there stay.
    pub fn set_reach(&self, name: &str, reach: Reach) {
        self.lock().reach.insert(lower_case(name), reach);
    }

    /// The next `count` accepts that would give a connection fail with `Exhausted` instead, and
    /// leave it queued: what running out of descriptors looks like.
    pub fn fail_accepts(&self, count: usize) {
        self.lock().failing_accepts = count;
    }

    /// Two ends of a new connection, without a listener.
    #[must_use]
    pub fn pair(&self) -> (SimConn, SimConn) {
        let place = Place { name: "listener".into(), port: 0 };
        self.connect(&mut self.lock(), &place.addr(Form::Sim), Form::Sim, None)
    }

    /// What the network amounts to at this moment.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.lock();
        let counters = &self.shared.ledger;
        let shards = || state.bounds.values().flat_map(Bound::open_shards);
        Stats {
            dials: state.dials,
            made: state.connections,
            connections: counters.connections.load(Relaxed),
            ends: counters.ends.load(Relaxed),
            listeners: shards().count(),
            unaccepted: shards().map(|shard| shard.queue.len()).sum(),
            waiting_dials: state.bounds.values().map(|bound| bound.dialers.len()).sum(),
            in_flight: counters.in_flight.load(Relaxed),
        }
    }

    pub(crate) const CAPABILITIES: Capabilities = {
        let mut capabilities = Capabilities::NONE;
        capabilities.host_names = true;
        capabilities.half_close = true;
        capabilities.reset = true;
        capabilities
    };

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dialler's and the listener's end of a new byte stream to `addr`, which is of `form`.
    pub(crate) fn connect(
        &self,
        state: &mut State,
        addr: &Addr,
        form: Form,
        from: Option<Place>,
    ) -> (SimConn, SimConn) {
        let Joined { number, directions, hosts, from } = self.join(state, addr, form, from);
        let link = Link::new(number, directions, hosts, self.shared.ledger.clone());
        let dialer = SimConn::new(link.clone(), End::Dialer, from.clone(), addr.clone());
        (dialer, SimConn::new(link, End::Listener, addr.clone(), from))
    }

    /// As `connect`, for a connection of streams.
    pub(crate) fn connect_streams(
        &self,
        state: &mut State,
        addr: &Addr,
        form: Form,
        from: Option<Place>,
        (options, tls): (BothOptions, [Option<TlsInfo>; 2]),
    ) -> (SimStreams, SimStreams) {
        let Joined { number, directions, hosts, from } = self.join(state, addr, form, from);
        let session = Session::new(number, directions, hosts, options, self.shared.ledger.clone());
        let [dialers, listeners] = tls;
        let dialer =
            SimStreams::new(session.clone(), End::Dialer, from.clone(), addr.clone(), dialers);
        (dialer, SimStreams::new(session, End::Listener, addr.clone(), from, listeners))
    }

    fn join(&self, state: &mut State, addr: &Addr, form: Form, from: Option<Place>) -> Joined {
        state.connections += 1;
        let number = state.connections;
        let (from, from_form) = match from {
            Some(place) => (place, Form::Ip),
            // A name that is an IP address is written as one.
            None if self.name.is_some() => (Place { name: self.source(addr), port: 0 }, Form::Ip),
            None => (Place { name: self.source(addr), port: 0 }, form),
        };
        let port = if from.port == 0 { state.next_dialing_port() } else { from.port };
        let from = Place { port, ..from };
        // An address that was listened on is one.
        let to = Place::parse(addr).map_or_else(|_| from.name.clone(), |(place, _)| place.name);
        let hosts = [from.name.clone(), to];
        let from = from.addr(from_form);
        self.shared.ledger.log(format_args!("#{number} connected {from} > {addr}"));
        let directions =
            [state.direction(&hosts[0], &hosts[1]), state.direction(&hosts[1], &hosts[0])];
        Joined { number, directions, hosts, from }
    }

    /// The host that a dial to `addr` comes from.
    pub(crate) fn source(&self, addr: &Addr) -> Arc<str> {
        let loopback = match addr {
            Addr::Ip(ip) if ip.is_ipv6() => "::1",
            Addr::Ip(_) => "127.0.0.1",
            _ => "dialer",
        };
        self.name.clone().unwrap_or_else(|| loopback.into())
    }
}

impl State {
    /// How the way from `from` to `to` behaves.
    pub(crate) fn config(&self, from: &Arc<str>, to: &Arc<str>) -> &Config {
        self.ways.get(&(from.clone(), to.clone())).unwrap_or(&self.config)
    }

    pub(crate) fn passage(&self, from: &Arc<str>, to: &Arc<str>) -> Passage {
        let blocked = self.down.contains(from)
            || self.down.contains(to)
            || self.cuts.contains(&(from.clone(), to.clone()));
        if blocked { Passage::Blocked } else { Passage::Open }
    }

    pub(crate) fn wire(&mut self, from: &Arc<str>, to: &Arc<str>) -> Arc<Wire> {
        let way = (from.clone(), to.clone());
        if let Some(wire) = self.wires.get(&way) {
            return wire.clone();
        }
        let seed = self.config(from, to).seed;
        let wire = Arc::new(Wire::new(seed, from, to, self.passage(from, to)));
        self.wires.insert(way, wire.clone());
        wire
    }

    fn direction(&mut self, from: &Arc<str>, to: &Arc<str>) -> Direction {
        Direction { config: self.config(from, to).clone(), wire: self.wire(from, to) }
    }

    /// A port of `name` that nobody listens on; `None` when there is none.
    pub(crate) fn free_port(&mut self, sort: Sort, name: &Arc<str>) -> Option<u16> {
        for _ in FIRST_LISTENING_PORT..=u16::MAX {
            let port = self.listening_port;
            self.listening_port = next_port(port, FIRST_LISTENING_PORT);
            if !self.bounds.contains_key(&(sort, Place { name: name.clone(), port })) {
                return Some(port);
            }
        }
        None
    }

    fn next_dialing_port(&mut self) -> u16 {
        let port = self.dialing_port;
        self.dialing_port = next_port(port, FIRST_DIALING_PORT);
        port
    }
}

impl Bound {
    pub(crate) fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().flatten()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.open_shards().map(|shard| shard.queue.len()).sum::<usize>() < self.backlog
    }

    /// Queues a connection with the shard whose turn it is, and gives who waits for it.
    pub(crate) fn push(&mut self, conn: Arrived) -> Option<Waker> {
        let count = self.shards.len();
        let next = (0..count).map(|step| (self.turn + step) % count);
        // A bound address has at least one shard; without any the connection would be closed.
        let index = next.into_iter().find(|index| self.shards[*index].is_some())?;
        self.turn = (index + 1) % count;
        let shard = self.shards[index].as_mut()?;
        shard.queue.push_back(conn);
        shard.waker.take()
    }

    /// The dial whose turn it is, when there is room for it.
    pub(crate) fn next_dialer(&self) -> Option<Waker> {
        let first = self.dialers.values().next()?;
        self.has_room().then(|| first.clone())
    }
}

fn next_port(port: u16, first: u16) -> u16 {
    port.checked_add(1).unwrap_or(first)
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("name", &self.name).finish_non_exhaustive()
    }
}
