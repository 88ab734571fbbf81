//! Accepting connections.

use std::task::{Context, Poll};

use dipole_net::{Addr, Error, ErrorKind, Incoming, Listener, Result};

use crate::Network;
use crate::link::{register, wake};
use crate::network::{Arrived, Bound, Port};

/// One listener, which is one shard of an address.
pub(crate) struct SimListener {
    network: Network,
    port: Port,
    addr: Addr,
    /// The number of what is bound there.
    bound: u64,
    shard: usize,
}

impl SimListener {
    pub(crate) fn new(network: Network, port: Port, bound: &Bound, shard: usize) -> Self {
        Self { network, port, addr: bound.addr.clone(), bound: bound.number, shard }
    }
}

impl Listener for SimListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let mut guard = self.network.lock();
        let state = &mut *guard;
        // Both are there as long as this listener is, unless its host has gone down: nobody comes
        // any more then.
        let bound = state.bounds.get_mut(&self.port).filter(|bound| bound.number == self.bound);
        let Some(bound) = bound else {
            return Poll::Pending;
        };
        let Some(Some(shard)) = bound.shards.get_mut(self.shard) else {
            return Poll::Pending;
        };
        if shard.queue.is_empty() {
            let replaced = register(&mut shard.waker, cx.waker());
            drop(guard);
            drop(replaced);
            return Poll::Pending;
        }
        if state.failing_accepts > 0 {
            state.failing_accepts -= 1;
            return Poll::Ready(Err(Error::new(ErrorKind::Exhausted)));
        }
        let Some(conn) = shard.queue.pop_front() else {
            return Poll::Pending;
        };
        let dialer = bound.next_dialer();
        drop(guard);
        wake(dialer);
        Poll::Ready(Ok(Incoming::ready(conn.peer_addr(), conn.into())))
    }

    fn local_addr(&self) -> Addr {
        self.addr.clone()
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut state = self.network.lock();
        let bound = state.bounds.get_mut(&self.port).filter(|bound| bound.number == self.bound);
        let Some(bound) = bound else {
            return;
        };
        let Some(shard) = bound.shards.get_mut(self.shard).and_then(Option::take) else {
            return;
        };
        let mut woken = Vec::new();
        let mut orphans = Vec::new();
        if bound.open_shards().next().is_some() {
            for conn in shard.queue {
                woken.extend(bound.push(conn));
            }
        } else {
            orphans.extend(shard.queue);
            let bound = state.bounds.remove(&self.port);
            woken.extend(bound.into_iter().flat_map(|bound| bound.dialers.into_values()));
        }
        drop(state);
        drop(shard.waker);
        orphans.into_iter().for_each(Arrived::refuse);
        woken.into_iter().for_each(std::task::Waker::wake);
    }
}
