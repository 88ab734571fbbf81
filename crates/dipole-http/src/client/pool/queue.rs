//! Requests that wait for their turn.

use std::collections::VecDeque;
use std::task::Waker;

use crate::ClientError;

/// Who waits, in the order in which they came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiter>,
    next: u64,
}

/// One that waits. Tickets ascend.
struct Waiter {
    ticket: Ticket,
    waker: Waker,
    /// Why it waits in vain.
    verdict: Option<ClientError>,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_first(&self, ticket: Ticket) -> bool {
        self.waiting.front().is_some_and(|waiter| waiter.ticket == ticket)
    }

    /// Comes last.
    pub(super) fn join(&mut self, waker: Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back(Waiter { ticket, waker, verdict: None });
        ticket
    }

    /// Goes on waiting.
    pub(super) fn stay(&mut self, ticket: Ticket, waker: &Waker) {
        if let Some(at) = self.find(ticket) {
            self.waiting[at].waker.clone_from(waker);
        }
    }

    /// Leaves. Gives why it waited in vain, if it did.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<ClientError> {
        let at = self.find(ticket)?;
        self.waiting.remove(at)?.verdict
    }

    /// True when this one waits in vain.
    pub(super) fn is_in_vain(&self, ticket: Ticket) -> bool {
        self.find(ticket).is_some_and(|at| self.waiting[at].verdict.is_some())
    }

    /// Who is to look whether it is their turn.
    pub(super) fn first(&self) -> Option<Waker> {
        self.waiting.front().map(|waiter| waiter.waker.clone())
    }

    /// Tells everybody that they wait in vain. Gives whom to wake.
    pub(super) fn send_away(&mut self, error: &ClientError) -> Vec<Waker> {
        let mut wakers = Vec::with_capacity(self.waiting.len());
        for waiter in &mut self.waiting {
            waiter.verdict = Some(error.clone());
            wakers.push(waiter.waker.clone());
        }
        wakers
    }

    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.waiting.binary_search_by_key(&ticket, |waiter| waiter.ticket).ok()
    }
}
