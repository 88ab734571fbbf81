//! The ring: operations that own what the kernel touches. All of this crate's unsafe code is here.
//!
//! The interface is safe: an [`Operation`] is given to [`Ring::start`] and comes back as [`Event`]s,
//! and whatever a caller does in between, nothing that the kernel may hold is freed or reused:
//!
//! - An operation and all that it owns stays in its place until its final completion has been
//!   taken: also when it is cancelled, and for a zero-copy send until its second completion.
//! - A completion finds its operation by index *and* generation; one that fits none is counted.
//! - A submission that the kernel has no room for stays with its operation, and goes later.
//! - At the ring's end, operations are cancelled and waited for; what is left then is leaked.
//!
//! The same code runs over a made-up kernel (`fake.rs`), under miri and with random orders.

mod buffers;
#[cfg(test)]
pub(crate) mod fake;
mod kernel;
mod linux;
mod operation;
mod prefetch;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::VecDeque;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

use crate::slots::{Key, Slots};

use self::buffers::Group;
pub(crate) use self::buffers::Segment;
pub(crate) use self::kernel::{Announcing, Copying, Kernel};
use self::kernel::{Completion, Submission};
pub(crate) use self::linux::Linux;
pub(crate) use self::operation::{Event, Operation, Payload};
use self::operation::{Kind, Running};
pub(crate) use self::prefetch::prefetch;
pub(crate) use self::watch::watched;

/// The `user_data` of what is no operation: a cancellation.
const NO_OPERATION: u64 = u64::MAX;

/// The most often that one turn enters the kernel.
pub(crate) const MOST_ROUNDS: usize = 16;

/// What a turn of the ring brings: whose operation, what became of it, and whether that was its end.
pub(crate) struct Report<D> {
    /// What was given to `start` with the operation.
    pub(crate) token: u64,
    pub(crate) event: Event<D>,
    pub(crate) is_final: bool,
}

/// How large a ring is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Buffers for receives, a power of two.
    pub(crate) buffers: u16,
    /// Of one buffer, in bytes.
    pub(crate) buffer: usize,
    /// Buffers that are in use from the start; more are when these run out.
    pub(crate) first: u16,
}

/// What a ring has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) submissions: u64,
    pub(crate) completions: u64,
    pub(crate) zero_copy_sends: u64,
    /// Completions that fitted no operation: there are none, or the kernel is not what we think.
    pub(crate) strays: u64,
}

/// A ring and the operations on it.
pub(crate) struct Ring<K: Kernel> {
    kernel: ManuallyDrop<K>,
    /// What a completion is of: small and side by side, for there is one for each connection, and
    /// most completions need no more.
    operations: Slots<Known>,
    /// What each owns, in the same place.
    running: Vec<Option<Running<K::Descriptor>>>,
    /// Operations and cancellations that the kernel had no room for yet.
    backlog: VecDeque<Pending>,
    group: ManuallyDrop<Arc<Group>>,
    tally: Tally,
}

/// What is known of an operation when it completes.
#[derive(Clone, Copy)]
struct Known {
    token: u64,
    kind: Kind,
}

enum Pending {
    Start(Key),
    Cancel(Key),
}

impl<K: Kernel> Ring<K> {
    /// A ring over `kernel`.
    ///
    /// # Errors
    /// The kernel does not take the buffers.
    pub(crate) fn new(mut kernel: K, sizes: Sizes) -> io::Result<Self> {
        let group = Arc::new(Group::new(sizes.buffers, sizes.buffer));
        // SAFETY: the group lives until the ring's end, and longer when a receive is left then.
        unsafe { kernel.register_buffers(group.entries(), group.count())? };
        group.grow(sizes.first);
        Ok(Self {
            kernel: ManuallyDrop::new(kernel),
            operations: Slots::default(),
            running: Vec::new(),
            backlog: VecDeque::new(),
            group: ManuallyDrop::new(group),
            tally: Tally::default(),
        })
    }

    /// Begins an operation with the next turn. Its events carry `token`.
    pub(crate) fn start(&mut self, mut operation: Operation<K::Descriptor>, token: u64) -> Key {
        if let Operation::Send(_, payload, Copying::No) = &mut operation {
            // So that what is left of it can be sent while the kernel still holds the rest.
            let tail = payload.tail.split().freeze();
            payload.pieces.get_or_insert_default().push_back(tail);
            self.tally.zero_copy_sends += 1;
        }
        let key = self.operations.insert(Known { token, kind: operation.kind() });
        let running = Some(Running::new(operation));
        match self.running.get_mut(key.index()) {
            Some(place) => *place = running,
            None => self.running.push(running),
        }
        if !self.backlog.is_empty() || !self.submit(key) {
            self.backlog.push_back(Pending::Start(key));
        }
        key
    }

    /// Ends an operation soon; its final event comes in any case, and may still be a success. On an
    /// operation that has ended it does nothing.
    pub(crate) fn cancel(&mut self, key: Key) {
        if self.operations.get_mut(key).is_none() {
            return;
        }
        if !self.backlog.is_empty() || !self.submit_cancel(key) {
            self.backlog.push_back(Pending::Cancel(key));
        }
    }

    /// Tells the kernel what is new; what it says is then taken by [`next_report`](Self::next_report).
    /// Where it says nothing, waits for it, no longer than `waiting`.
    ///
    /// # Errors
    /// The kernel's; nothing was lost.
    pub(crate) fn enter(&mut self, waiting: Option<Duration>) -> io::Result<()> {
        self.submit_backlog();
        match waiting {
            Some(at_most) if self.backlog.is_empty() => self.kernel.enter_and_wait(at_most),
            _ => self.kernel.enter(),
        }
    }

    /// True when the kernel had no room for all that is new: it has once its reports are taken and it
    /// is entered again, unless it wants to be left alone.
    pub(crate) fn is_behind(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// What the kernel has done, in order.
    #[inline]
    pub(crate) fn next_report(&mut self) -> Option<Report<K::Descriptor>> {
        while let Some(completion) = self.kernel.pop() {
            self.tally.completions += 1;
            if completion.user_data != NO_OPERATION {
                match self.complete(&completion) {
                    Some(report) => return Some(report),
                    None => self.tally.strays += 1,
                }
            }
        }
        None
    }

    /// Enters until all that is new is the kernel's, and takes what it says.
    fn turn(&mut self, waiting: Option<Duration>, mut take: impl FnMut(Report<K::Descriptor>)) {
        for _ in 0..MOST_ROUNDS {
            let entered = self.enter(waiting);
            while let Some(report) = self.next_report() {
                take(report);
            }
            if entered.is_err() || !self.is_behind() {
                break;
            }
        }
    }

    /// True when the next turn would have something to do.
    pub(crate) fn has_work(&mut self) -> bool {
        !self.backlog.is_empty() || self.kernel.has_work()
    }

    /// Whether completions are announced on the eventfd from now on.
    pub(crate) fn announce(&mut self, announcing: Announcing) {
        self.kernel.announce(announcing);
    }

    /// Gives the kernel more buffers, twice as many as there were; false when there are no more.
    pub(crate) fn grow(&self) -> bool {
        let more = self.group.free() + self.group.out();
        self.group.grow(more.max(1)) > 0
    }

    /// True when readers shall not hold more buffers.
    pub(crate) fn buffers_are_scarce(&self) -> bool {
        self.group.is_scarce()
    }

    /// Buffers that readers hold.
    pub(crate) fn buffers_out(&self) -> u16 {
        self.group.out()
    }

    /// Operations that have not ended.
    pub(crate) fn running(&self) -> usize {
        self.operations.len()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn enters(&self) -> u64 {
        self.kernel.enters()
    }

    fn submit(&mut self, key: Key) -> bool {
        let is_known = self.operations.get_mut(key).is_some();
        let running = self.running.get_mut(key.index()).filter(|_| is_known);
        let Some(Some(running)) = running else { return true };
        let submission = running.submission::<K>();
        self.push(&submission, key.bits())
    }

    fn submit_cancel(&mut self, key: Key) -> bool {
        self.operations.get_mut(key).is_none()
            || self.push(&Submission::Cancel { target: key.bits() }, NO_OPERATION)
    }

    fn push(&mut self, submission: &Submission, user_data: u64) -> bool {
        // SAFETY: what a submission points to is owned by the operation in the place that
        // `user_data` names. It is given up in `complete` alone, after its final completion, or
        // leaked. A cancellation points to nothing.
        let pushed = unsafe { self.kernel.push(submission, user_data) };
        self.tally.submissions += u64::from(pushed);
        pushed
    }

    fn submit_backlog(&mut self) {
        while let Some(pending) = self.backlog.front() {
            let pushed = match *pending {
                Pending::Start(key) => self.submit(key),
                Pending::Cancel(key) => self.submit_cancel(key),
            };
            if !pushed {
                return;
            }
            self.backlog.pop_front();
        }
    }

    #[inline]
    fn complete(&mut self, completion: &Completion) -> Option<Report<K::Descriptor>> {
        let key = Key::from_bits(completion.user_data);
        let Known { token, kind } = *self.operations.get_mut(key)?;
        let is_final = !completion.more;
        let filled = match completion.buffer {
            None => None,
            Some(index) => {
                let length = usize::try_from(completion.result).unwrap_or(0);
                // SAFETY: the completion says so, and each is taken once.
                Some(unsafe { Group::take(&self.group, index, length) }?)
            }
        };
        let event = match kind {
            Kind::AcceptMany if completion.result >= 0 => {
                // SAFETY: the result of an accept, taken once.
                Event::Accepted(Ok(unsafe { self.kernel.own(completion.result) }))
            }
            Kind::ReceiveMany if completion.result > 0 => Event::Received(Ok(filled)),
            Kind::SendZeroCopy if !completion.notification => {
                self.running[key.index()].as_ref()?.operation.sent(completion.result)
            }
            kind if !is_final => kind.unexpected(completion.result),
            _ => {
                let operation = self.remove(key)?.operation;
                let event = match completion.notification {
                    true => operation.freed(completion.result),
                    false => operation.end(completion.result),
                };
                return Some(Report { token, event, is_final });
            }
        };
        if is_final {
            self.remove(key);
        }
        Some(Report { token, event, is_final })
    }

    /// Forgets an operation and gives what it owns.
    fn remove(&mut self, key: Key) -> Option<Running<K::Descriptor>> {
        self.operations.remove(key)?;
        self.running[key.index()].take()
    }

    /// Who receives some places after the next completion: what was given with its operation.
    #[inline]
    pub(crate) fn upcoming(&mut self, places: usize) -> Option<u64> {
        let user_data = self.kernel.upcoming(places)?;
        let known = self.operations.get_mut(Key::from_bits(user_data))?;
        (known.kind == Kind::ReceiveMany).then_some(known.token)
    }

    /// Cancels all that runs and waits for it, a few moments at most. To be called on the thread
    /// that enters the ring. Gives true when the kernel holds nothing any more.
    pub(crate) fn drain(&mut self) -> bool {
        const MOST_WAITS: usize = 50;
        const WAIT: Duration = Duration::from_millis(20);
        let keys: Vec<Key> = self.operations.keys().collect();
        for key in keys {
            self.cancel(key);
        }
        for _ in 0..MOST_WAITS {
            // An error may pass, and if it does not, there is an end to the waiting.
            self.turn(None, drop);
            if self.operations.len() == 0 {
                return true;
            }
            let _ = self.kernel.enter_and_wait(WAIT);
        }
        false
    }
}

impl<K: Kernel> Drop for Ring<K> {
    fn drop(&mut self) {
        let is_drained = self.operations.len() == 0 || self.drain();
        // SAFETY: neither is used again.
        let group = unsafe {
            ManuallyDrop::drop(&mut self.kernel);
            ManuallyDrop::take(&mut self.group)
        };
        if !is_drained {
            // The kernel may still write to what these own: better lost than freed under it.
            std::mem::forget(group);
            std::mem::forget(std::mem::take(&mut self.running));
        }
    }
}
