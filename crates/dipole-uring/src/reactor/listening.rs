//! A listener on the ring.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Engine;
use super::waking::remember;
use crate::ring::{Event, Kernel, Operation, Report};
use crate::slots::Key;

/// Accepted connections that nobody has taken, at which the kernel is told to accept no more.
const MOST_ACCEPTED: usize = 256;

pub(super) struct Listening<D> {
    pub(super) descriptor: Arc<D>,
    accepting: Accepting,
    accepted: VecDeque<io::Result<D>>,
    acceptor: Option<Waker>,
    /// It shall take no more.
    is_over: bool,
}

enum Accepting {
    Idle,
    Running(Key),
    Stopping,
}

impl<D> Listening<D> {
    pub(super) fn new(descriptor: D) -> Self {
        Self {
            descriptor: Arc::new(descriptor),
            accepting: Accepting::Idle,
            accepted: VecDeque::new(),
            acceptor: None,
            is_over: false,
        }
    }

    /// The next connection; `NotConnected` when there will be none any more.
    pub(super) fn poll_accept<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        cx: &Context<'_>,
        engine: &mut Engine<K>,
    ) -> Poll<io::Result<D>> {
        if let Some(accepted) = self.accepted.pop_front() {
            return Poll::Ready(accepted);
        }
        if let (Accepting::Idle, true) = (&self.accepting, self.is_over) {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        remember(&mut self.acceptor, cx.waker(), &mut engine.leftovers);
        if let Accepting::Idle = self.accepting {
            let operation = Operation::AcceptMany(Arc::clone(&self.descriptor));
            self.accepting = Accepting::Running(engine.ring.start(operation, key.bits()));
        }
        Poll::Pending
    }

    /// Accepts no more: what was accepted is still given.
    pub(super) fn stop<K: Kernel<Descriptor = D>>(&mut self, engine: &mut Engine<K>) {
        self.is_over = true;
        self.pause(engine);
    }

    fn pause<K: Kernel<Descriptor = D>>(&mut self, engine: &mut Engine<K>) {
        if let Accepting::Running(operation) = self.accepting {
            self.accepting = Accepting::Stopping;
            engine.ring.cancel(operation);
        }
    }

    pub(super) fn close<K: Kernel<Descriptor = D>>(mut self, engine: &mut Engine<K>) {
        self.pause(engine);
        engine.leftovers.to_wake.extend(self.acceptor);
    }

    /// Takes what the ring reports.
    pub(super) fn settle<K: Kernel<Descriptor = D>>(
        &mut self,
        report: Report<D>,
        engine: &mut Engine<K>,
    ) {
        let Event::Accepted(accepted) = report.event else { return };
        if report.is_final {
            self.accepting = Accepting::Idle;
        }
        let is_cancelled =
            accepted.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ECANCELED));
        if !is_cancelled {
            self.accepted.push_back(accepted);
        }
        if self.accepted.len() >= MOST_ACCEPTED {
            self.pause(engine);
        }
        engine.leftovers.to_wake.extend(self.acceptor.take());
    }
}
