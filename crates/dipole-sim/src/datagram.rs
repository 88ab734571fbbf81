//! Datagrams: each arrives whole or not at all, perhaps late, perhaps twice.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use dipole_net::{Addr, Error, ErrorKind, Result};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Network;
use crate::link::{register, wake};
use crate::network::Sort;
use crate::place::Place;

/// A socket for datagrams, at a place of the simulated network; dropping it frees the place.
///
/// Its calls take `&self`: one task may send while another receives. One task at a time receives.
pub struct DatagramSocket {
    network: Network,
    place: Place,
    addr: Addr,
    mailbox: Arc<Mailbox>,
}

/// One datagram that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram {
    /// What it carries.
    pub data: Bytes,
    /// The socket that sent it.
    pub from: Addr,
}

/// What is under way to a socket, or waits in it.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the time at which each arrives (`None`: at once), then by its number.
    queue: BTreeMap<(Option<Instant>, u64), Datagram>,
    bytes: usize,
    number: u64,
    closed: bool,
    timer: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

/// The most that is under way to a socket or waits in it, in bytes; what is more is lost.
const CAPACITY: usize = 4 << 20;

impl Network {
    /// A socket for datagrams at `addr`; port 0 becomes a free one. Streams have ports of their
    /// own.
    ///
    /// # Errors
    /// `AddrInUse`; `Unsupported` and `InvalidInput` for an address of another library.
    pub fn bind_datagrams(&self, addr: &Addr) -> Result<DatagramSocket> {
        let (mut place, form) = Place::parse(addr)?;
        let mut state = self.lock();
        if place.port == 0 {
            let free = state.free_port(Sort::Streams, &place.name);
            place.port = free.ok_or_else(|| Error::new(ErrorKind::AddrInUse))?;
        }
        if state.mailboxes.contains_key(&place) {
            return Err(Error::with_message(ErrorKind::AddrInUse, format!("{addr} is in use")));
        }
        let mailbox = Arc::new(Mailbox::default());
        state.known.insert(place.name.clone());
        state.mailboxes.insert(place.clone(), mailbox.clone());
        drop(state);
        Ok(DatagramSocket { network: self.clone(), addr: place.addr(form), place, mailbox })
    }
}

impl DatagramSocket {
    /// Sends one datagram, without waiting. As with UDP nothing says whether it arrives: it is
    /// lost where nobody is bound, and what befalls it is drawn from the way's
    /// [`Config`](crate::Config).
    ///
    /// # Errors
    /// `Unsupported` and `InvalidInput` for an address of another library.
    pub fn send(&self, to: &Addr, data: &[u8]) -> Result<()> {
        let (to, _) = Place::parse(to)?;
        let mut state = self.network.lock();
        let config = state.config(&self.place.name, &to.name).clone();
        let wire = state.wire(&self.place.name, &to.name);
        let mailbox = state.mailboxes.get(&to).cloned();
        drop(state);
        let now = Instant::now();
        let arrivals = wire.carry(&config, now, data.len());
        let ledger = &self.network.shared.ledger;
        let (from, length) = (&self.place, data.len());
        ledger.log(format_args!("{from} > {to} datagram of {length}, arrives after {arrivals:?}"));
        let Some(mailbox) = mailbox else { return Ok(()) };
        for delay in arrivals {
            let due = (!delay.is_zero()).then(|| now + delay);
            let data = Bytes::copy_from_slice(data);
            mailbox.push(due, Datagram { data, from: self.addr.clone() });
        }
        Ok(())
    }

    /// The next datagram that has arrived.
    ///
    /// # Errors
    /// `Closed` when the socket's host has gone down.
    ///
    /// # Cancel safety
    /// No datagram is lost between two polls.
    pub fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Result<Datagram>> {
        let received = self.mailbox.poll(cx);
        if let Poll::Ready(Ok(Datagram { data, from })) = &received {
            let (at, length) = (&self.place, data.len());
            let ledger = &self.network.shared.ledger;
            ledger.log(format_args!("{at} received a datagram of {length} from {from}"));
        }
        received
    }

    /// Waits for the next datagram; as [`poll_receive`](Self::poll_receive).
    ///
    /// # Errors
    /// `Closed` when the socket's host has gone down.
    pub async fn receive(&self) -> Result<Datagram> {
        std::future::poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Where it is bound.
    #[must_use]
    pub fn local_addr(&self) -> Addr {
        self.addr.clone()
    }

    /// The socket goes on at another port or host of the network, as when a path changes: later
    /// datagrams come from there, and what is sent to the old place is lost.
    ///
    /// # Errors
    /// As [`Network::bind_datagrams`]; the socket then stays where it is.
    pub fn rebind(&mut self, addr: &Addr) -> Result<()> {
        *self = self.network.bind_datagrams(addr)?;
        Ok(())
    }
}

impl Mailbox {
    /// The socket's host has gone down.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.bytes = 0;
        let queue = std::mem::take(&mut state.queue);
        let waker = state.waker.take();
        drop(state);
        drop(queue);
        wake(waker);
    }

    fn push(&self, due: Option<Instant>, datagram: Datagram) {
        let mut state = self.lock();
        if state.closed || state.bytes + datagram.data.len() > CAPACITY {
            return;
        }
        state.bytes += datagram.data.len();
        state.number += 1;
        let number = state.number;
        state.queue.insert((due, number), datagram);
        let waker = state.waker.take();
        drop(state);
        wake(waker);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Datagram>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        loop {
            if state.closed {
                return Poll::Ready(Err(Error::new(ErrorKind::Closed)));
            }
            let Some(first) = state.queue.first_entry() else {
                state.timer = None;
                break;
            };
            let due = first.key().0.filter(|due| *due > Instant::now());
            let Some(due) = due else {
                let datagram = first.remove();
                state.bytes -= datagram.data.len();
                return Poll::Ready(Ok(datagram));
            };
            let timer = state.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                break;
            }
        }
        let replaced = register(&mut state.waker, cx.waker());
        drop(guard);
        drop(replaced);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for DatagramSocket {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        // After a crash and restart somebody else may have the place.
        let is_own =
            state.mailboxes.get(&self.place).is_some_and(|own| Arc::ptr_eq(own, &self.mailbox));
        let own = if is_own { state.mailboxes.remove(&self.place) } else { None };
        drop(state);
        drop(own);
    }
}

impl fmt::Debug for DatagramSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramSocket").field("addr", &self.addr).finish_non_exhaustive()
    }
}
