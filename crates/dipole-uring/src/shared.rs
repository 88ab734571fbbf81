//! One ring, as its own thread and all others share it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};

use crate::counters::Counters;
use crate::options::UringOptions;
use crate::reactor::{Brought, Pace, Reactor, Thread};
use crate::ring::{Linux, Ring, Sizes};

/// A ring behind a lock. Operations may be queued by any thread; only the thread that made it turns
/// it, and is woken when it waits.
pub(crate) struct Shared {
    reactor: Mutex<Reactor<Linux>>,
    eventfd: Arc<OwnedFd>,
    is_contended: AtomicBool,
}

impl Shared {
    /// A ring of this thread's.
    ///
    /// # Errors
    /// Whatever this kernel, its settings, a container or a limit forbid.
    pub(crate) fn new(options: &UringOptions) -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC)?;
        let kernel = Linux::new(options.entries, eventfd.as_fd())?;
        let buffers = options.buffers.max(2).next_power_of_two().min(1 << 14);
        let sizes = Sizes { buffers, buffer: options.buffer_size.max(256), first: buffers.min(64) };
        let ring = Ring::new(kernel, sizes)?;
        let reactor = Mutex::new(Reactor::new(ring, options.zero_copy_from));
        Ok(Self { reactor, eventfd: Arc::new(eventfd), is_contended: AtomicBool::new(false) })
    }

    /// Acts on the ring from any thread; wakes the ring's thread when there is something for it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Reactor<Linux>) -> T) -> T {
        let mut reactor = self.reactor.try_lock().unwrap_or_else(|_| {
            self.is_contended.store(true, Ordering::Relaxed);
            self.lock()
        });
        let result = act(&mut reactor);
        // Whoever runs while the ring's thread waits is another thread, or that thread at rest.
        let wakes = reactor.thread == Thread::Parked && reactor.has_news();
        if wakes {
            reactor.thread = Thread::Awake;
        }
        let leftovers = reactor.leftovers();
        drop(reactor);
        if let Some(mut leftovers) = leftovers {
            leftovers.settle();
        }
        if wakes {
            self.wake();
        }
        result
    }

    /// Turns the ring, whose thread goes on.
    pub(crate) fn turn(&self, pace: Pace) -> Brought {
        let mut reactor = self.lock();
        let brought = reactor.turn(pace, Instant::now());
        self.unlock_after_turn(reactor);
        brought
    }

    /// Turns the ring. Where that brings nothing, its thread is to be told of what is new from now on.
    /// Gives, too, whether there is something already.
    pub(crate) fn turn_or_rest(&self, pace: Pace) -> (Brought, bool) {
        let mut reactor = self.lock();
        reactor.unpark();
        let brought = reactor.turn(pace, Instant::now());
        let may_rest = brought == Brought::Nothing && reactor.rest();
        self.unlock_after_turn(reactor);
        (brought, may_rest)
    }

    /// Turns the ring and says that its thread is about to wait. Gives, too, whether it may: not when
    /// there is more to do already.
    pub(crate) fn turn_and_park(&self, pace: Pace) -> (Brought, bool) {
        let mut reactor = self.lock();
        // What comes in this turn needs no announcement, also where the turn waits for it.
        reactor.unpark();
        let brought = reactor.turn(pace, Instant::now());
        let may_wait = brought != Brought::Something && reactor.park();
        self.unlock_after_turn(reactor);
        (brought, may_wait)
    }

    /// Whether another thread had to wait for the ring since this was last asked.
    pub(crate) fn was_contended(&self) -> bool {
        self.is_contended.swap(false, Ordering::Relaxed)
    }

    fn unlock_after_turn(&self, mut reactor: MutexGuard<'_, Reactor<Linux>>) {
        let leftovers = reactor.leftovers();
        drop(reactor);
        if let Some(mut leftovers) = leftovers {
            leftovers.settle();
            self.lock().reuse(leftovers);
        }
    }

    /// Says that the ring's thread waits no more.
    pub(crate) fn unpark(&self) {
        self.lock().unpark();
    }

    /// Ends the ring, on its thread.
    pub(crate) fn end(&self) {
        let mut reactor = self.lock();
        reactor.end();
        let leftovers = reactor.leftovers();
        drop(reactor);
        if let Some(mut leftovers) = leftovers {
            leftovers.settle();
        }
    }

    /// Ends a wait for the eventfd.
    pub(crate) fn wake(&self) {
        // Fails when the counter is full only, and then the wait has ended.
        let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
    }

    /// What announces that the ring has work.
    pub(crate) fn eventfd(&self) -> &Arc<OwnedFd> {
        &self.eventfd
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut reactor = self.lock();
        let tally = reactor.tally();
        let ring = reactor.ring();
        let done = ring.tally();
        Counters {
            enters: ring.enters(),
            submissions: done.submissions,
            completions: done.completions,
            turns: tally.turns,
            out_of_buffers: tally.out_of_buffers,
            copied: tally.copied_out,
            zero_copy_sends: done.zero_copy_sends,
            zero_copies_copied: tally.zero_copies_copied,
            buffers_out: u64::from(ring.buffers_out()),
            operations: ring.running() as u64,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Reactor<Linux>> {
        self.reactor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
