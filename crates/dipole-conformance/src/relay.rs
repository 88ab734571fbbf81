//! A rough path for UDP, the same for the same seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::random::Random;

/// Datagrams under way at once; further ones are lost, as in a router whose queue is full.
const UNDER_WAY: usize = 4096;
/// More than any datagram has.
const LONGEST: usize = 1 << 16;
/// How many ports of the system's are looked at for one of a range.
const MOST_TRIES: usize = 64;

/// What the path does to datagrams, in each direction on its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Roughness {
    /// So many of a thousand are lost.
    pub lost: u16,
    /// So many of a thousand come twice.
    pub doubled: u16,
    /// So many of a thousand are overtaken by those behind them.
    pub overtaken: u16,
    /// How long each is under way.
    pub delay: Duration,
}

impl Roughness {
    /// Everything arrives at once and in order.
    pub const NONE: Self = Self { lost: 0, doubled: 0, overtaken: 0, delay: Duration::ZERO };
    /// Nothing arrives.
    pub const CUT: Self = Self { lost: 1000, ..Self::NONE };

    /// So many of a hundred are lost, one of twenty is overtaken, one of fifty comes twice, and
    /// each is `delay` under way.
    #[must_use]
    pub const fn of(lost_of_a_hundred: u16, delay: Duration) -> Self {
        Self { lost: lost_of_a_hundred * 10, doubled: 20, overtaken: 50, delay }
    }
}

/// A relay between clients and one server, over UDP on loopback. Clients send to
/// [`address`](Self::address); the server sees each client at an address of the relay's, which can
/// [change](Self::change_addresses). Dropping it ends the path.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    path: Arc<Path>,
    front: JoinHandle<()>,
    post: JoinHandle<()>,
}

impl Relay {
    /// A path to `server`; its dice begin with `seed`.
    ///
    /// # Errors
    /// The system has no socket left.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub async fn start(server: SocketAddr, seed: u64, rough: Roughness) -> io::Result<Self> {
        let any = SocketAddr::new(server.ip(), 0);
        let front = Arc::new(UdpSocket::bind(any).await?);
        let address = front.local_addr()?;
        let (letters, letter_box) = mpsc::channel(UNDER_WAY);
        let (random, clients, ports) = (Random::new(seed), HashMap::new(), 1..=u16::MAX);
        let state = State { rough, random, number: 0, clients, ports };
        let path = Arc::new(Path { server, letters, state: Mutex::new(state) });
        let post = tokio::spawn(deliver(letter_box));
        let front = tokio::spawn(Arc::clone(&path).forward(front));
        Ok(Self { address, path, front, post })
    }

    /// Where clients are to send.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the path so from now on.
    pub fn set(&self, rough: Roughness) {
        self.path.state().rough = rough;
    }

    /// Gives clients that come or change from now on addresses with ports of this range, as far as
    /// the system has them.
    pub fn set_ports(&self, ports: RangeInclusive<u16>) {
        self.path.state().ports = ports;
    }

    /// Gives each client a new address in the server's eyes; what is sent to the old one is lost.
    pub fn change_addresses(&self) {
        self.path.state().clients.clear();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.front.abort();
        self.post.abort();
        self.path.state().clients.clear();
    }
}

#[derive(Debug)]
struct Path {
    server: SocketAddr,
    letters: mpsc::Sender<Letter>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rough: Roughness,
    random: Random,
    number: u64,
    clients: HashMap<SocketAddr, Client>,
    /// Of the clients' addresses.
    ports: RangeInclusive<u16>,
}

/// A client as the server sees it; its task brings the answers back, and ends with this.
#[derive(Debug)]
struct Client {
    socket: Arc<UdpSocket>,
    _answers: JoinSet<()>,
}

impl Path {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what clients send.
    async fn forward(self: Arc<Self>, front: Arc<UdpSocket>) {
        let mut buffer = vec![0; LONGEST];
        loop {
            // An error is that of an earlier datagram which nobody took.
            let Ok((length, client)) = front.recv_from(&mut buffer).await else { continue };
            let Ok(socket) = self.socket_of(client, &front).await else { continue };
            self.post(&buffer[..length], &socket, self.server);
        }
    }

    async fn socket_of(
        self: &Arc<Self>,
        client: SocketAddr,
        front: &Arc<UdpSocket>,
    ) -> io::Result<Arc<UdpSocket>> {
        if let Some(known) = self.state().clients.get(&client) {
            return Ok(Arc::clone(&known.socket));
        }
        let socket = Arc::new(self.bind().await?);
        let mut answers = JoinSet::new();
        answers.spawn(Arc::clone(self).answer(Arc::clone(&socket), Arc::clone(front), client));
        let known = Client { socket: Arc::clone(&socket), _answers: answers };
        self.state().clients.insert(client, known);
        Ok(socket)
    }

    /// An address that no client has had, with a port of the range.
    async fn bind(&self) -> io::Result<UdpSocket> {
        let ports = self.state().ports.clone();
        // Kept meanwhile, so that the system gives another one.
        let mut others = Vec::new();
        for _ in 0..MOST_TRIES {
            let socket = UdpSocket::bind(SocketAddr::new(self.server.ip(), 0)).await?;
            if ports.contains(&socket.local_addr()?.port()) {
                return Ok(socket);
            }
            others.push(socket);
        }
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    /// Takes what the server sends to one client.
    async fn answer(
        self: Arc<Self>,
        socket: Arc<UdpSocket>,
        front: Arc<UdpSocket>,
        client: SocketAddr,
    ) {
        let mut buffer = vec![0; LONGEST];
        loop {
            if let Ok((length, _)) = socket.recv_from(&mut buffer).await {
                self.post(&buffer[..length], &front, client);
            }
        }
    }

    /// Throws the dice for one datagram.
    fn post(&self, datagram: &[u8], from: &Arc<UdpSocket>, to: SocketAddr) {
        let mut state = self.state();
        let State { rough, random, number, .. } = &mut *state;
        let mut happens = |of_a_thousand: u16| random.next() % 1000 < of_a_thousand.into();
        if happens(rough.lost) {
            return;
        }
        let copies = if happens(rough.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            // Behind what is sent in the next few milliseconds.
            let behind =
                if happens(rough.overtaken) { Duration::from_millis(8) } else { Duration::ZERO };
            *number += 1;
            let letter = Letter {
                due: Instant::now() + rough.delay + behind,
                number: *number,
                datagram: datagram.to_vec(),
                from: Arc::clone(from),
                to,
            };
            // A path that is full loses.
            drop(self.letters.try_send(letter));
        }
    }
}

/// A datagram under way.
#[derive(Debug)]
struct Letter {
    due: Instant,
    number: u64,
    datagram: Vec<u8>,
    from: Arc<UdpSocket>,
    to: SocketAddr,
}

impl Letter {
    fn order(&self) -> (Instant, u64) {
        (self.due, self.number)
    }
}

impl PartialEq for Letter {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Letter {}

impl PartialOrd for Letter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Letter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// Sends each datagram when it is due.
async fn deliver(mut letters: mpsc::Receiver<Letter>) {
    let mut under_way = BinaryHeap::new();
    loop {
        let now = Instant::now();
        let due = under_way.peek().map(|Reverse(letter): &Reverse<Letter>| letter.due);
        if due.is_some_and(|due| due <= now) {
            if let Some(Reverse(letter)) = under_way.pop() {
                // A datagram that cannot be sent is lost, as datagrams are.
                drop(letter.from.send_to(&letter.datagram, letter.to).await);
            }
            continue;
        }
        let waiting = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            letter = letters.recv() => match letter {
                Some(letter) => under_way.push(Reverse(letter)),
                None => return,
            },
            () = waiting => {}
        }
    }
}
