//! A ring on the thread of a runtime, among the runtime's tasks.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use dipole_net::Driver;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::link::Link;
use crate::options::UringOptions;
use crate::reactor::{Brought, Pace};
use crate::ring::watched;
use crate::shared::Shared;

/// How long the thread waits in its ring before it waits for events of its runtime.
const RING_WAIT: Duration = Duration::from_micros(50);
/// After waits in the ring that were in vain, the most times that it is not tried again.
const MOST_SKIPPED: u32 = 255;
/// After another thread had to wait for the ring: so many times.
const SKIPPED_FOR_OTHERS: u32 = 4096;

/// How long those whose bytes are sent wait to be told, on a thread that does not come to wait.
const PATIENCE: Duration = Duration::from_millis(5);

/// A ring that a runtime's thread drives.
///
/// As long as turns bring something, a task turns the ring, once after each round of the other tasks:
/// the runtime then does not look at its own events after each batch. Before the thread waits, its park
/// hook turns once more, and in a ring that is busy waits there a moment: what comes then costs no
/// event of the runtime's, and whose bytes were sent meanwhile is woken once for both. When turns bring
/// nothing, the task rests, and the eventfd tells of what is new, also a thread that never waits. Only for
/// those that are told late that their bytes were sent, a heartbeat sees that the thread does come to wait: a
/// timer that runs while something comes.
pub(crate) struct WorkerDriver {
    shared: Arc<Shared>,
    turning: Arc<Turning>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What the hooks and the two tasks tell each other, all on one thread.
#[derive(Default)]
struct Turning {
    /// Of the task that turns the ring.
    turner: Mutex<Option<Waker>>,
    heartbeat: Mutex<Option<Waker>>,
    /// A beat has found that the thread does not come to wait.
    is_restless: AtomicBool,
    /// Something has come since the thread was last about to wait.
    is_busy: AtomicBool,
    /// How many waits in the ring are left out, and how many will be after the next one in vain.
    skips: AtomicU32,
    penalty: AtomicU32,
    pulse: Mutex<Pulse>,
}

/// By which it is seen that the thread does not come to wait.
#[derive(Default)]
struct Pulse {
    /// Runs while there is work.
    timer: Option<Pin<Box<Sleep>>>,
    /// How often the thread was about to wait, and how often it was up to the last beat.
    waits: u64,
    waits_seen: u64,
    /// Nothing has come between the last two beats: there is no other one once the thread waits.
    is_weak: bool,
    /// Something has come since the last beat.
    has_come: bool,
}

impl WorkerDriver {
    /// Makes this thread's ring; `None` when it has one.
    ///
    /// # Errors
    /// The ring cannot be made.
    pub(crate) fn of_this_thread(options: &UringOptions) -> io::Result<Option<Self>> {
        if Link::of_this_thread().is_some() {
            return Ok(None);
        }
        let shared = Arc::new(Shared::new(options)?);
        Link::drives(&shared);
        Ok(Some(Self { shared, turning: Arc::default(), tasks: Mutex::default() }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Driver for WorkerDriver {
    fn start(&self) {
        let (shared, turning) = (Arc::clone(&self.shared), Arc::clone(&self.turning));
        let turner = tokio::spawn(async move {
            // Among the runtime's events, so that the ring ends a wait.
            let Ok(eventfd) = watched(Arc::clone(shared.eventfd())) else { return };
            poll_fn(|cx| turning.poll_turn(&shared, &eventfd, cx)).await
        });
        let turning = Arc::clone(&self.turning);
        let heartbeat = tokio::spawn(async move { poll_fn(|cx| turning.poll_beat(cx)).await });
        lock(&self.tasks).extend([turner, heartbeat]);
    }

    fn park(&self) {
        self.turning.about_to_wait();
        let pace = self.turning.pace(&self.shared);
        let (brought, may_wait) = self.shared.turn_and_park(pace);
        if let Pace::Waiting(_) = pace {
            self.turning.has_waited(brought);
        }
        if !may_wait {
            // There is more already, which no announcement tells of: the thread shall not wait.
            self.turning.wake_turner();
        }
    }

    fn unpark(&self) {
        self.shared.unpark();
        self.turning.wake_turner();
    }

    fn stop(&self) {
        Link::drives_none();
        lock(&self.tasks).drain(..).for_each(|task| task.abort());
        self.shared.end();
    }
}

impl Turning {
    fn wake_turner(&self) {
        wake(&self.turner);
    }

    fn about_to_wait(&self) {
        let mut pulse = lock(&self.pulse);
        pulse.waits += 1;
        if pulse.is_weak {
            (pulse.timer, pulse.is_weak) = (None, false);
        }
    }

    /// How the ring is turned before its thread waits.
    fn pace(&self, shared: &Shared) -> Pace {
        let is_busy = self.is_busy.swap(false, Ordering::Relaxed);
        if shared.was_contended() {
            self.skips.store(SKIPPED_FOR_OTHERS, Ordering::Relaxed);
        }
        match self.skips.load(Ordering::Relaxed) {
            0 if is_busy => Pace::Waiting(RING_WAIT),
            0 => Pace::Thorough,
            skips => {
                self.skips.store(skips - 1, Ordering::Relaxed);
                Pace::Thorough
            }
        }
    }

    /// Learns from a wait in the ring whether the next ones are worth it.
    fn has_waited(&self, brought: Brought) {
        let penalty = match brought {
            Brought::Something => {
                self.is_busy.store(true, Ordering::Relaxed);
                0
            }
            _ => (2 * self.penalty.load(Ordering::Relaxed) + 1).min(MOST_SKIPPED),
        };
        self.penalty.store(penalty, Ordering::Relaxed);
        self.skips.store(penalty, Ordering::Relaxed);
    }

    /// Turns the ring; again after the tasks that this has woken. Never ready.
    fn poll_turn(
        &self,
        shared: &Shared,
        eventfd: &AsyncFd<Arc<OwnedFd>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        remember(&self.turner, cx);
        // Those whose bytes were sent can wait when the thread is going to wait in the ring.
        let waits_in_ring = self.skips.load(Ordering::Relaxed) == 0
            && !self.is_restless.swap(false, Ordering::Relaxed);
        let pace = if waits_in_ring { Pace::Brisk } else { Pace::Thorough };
        let (brought, may_rest) = shared.turn_or_rest(pace);
        if brought == Brought::Something {
            self.is_busy.store(true, Ordering::Relaxed);
            let mut pulse = lock(&self.pulse);
            pulse.has_come = true;
            if pulse.timer.is_none() {
                wake(&self.heartbeat);
            }
        }
        if !may_rest {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // It is not read: each addition to the counter is an event of its own.
        while let Ok(mut ready) = ready!(eventfd.poll_read_ready(cx)) {
            ready.clear_ready();
        }
        Poll::Ready(())
    }

    /// Sees to it that the ring is turned although the thread does not come to wait. Never ready.
    fn poll_beat(&self, cx: &mut Context<'_>) -> Poll<()> {
        remember(&self.heartbeat, cx);
        let start = || Box::pin(tokio::time::sleep(PATIENCE));
        let mut pulse = lock(&self.pulse);
        let Pulse { timer, waits, waits_seen, is_weak, has_come } = &mut *pulse;
        let timer = timer.get_or_insert_with(start);
        while timer.as_mut().poll(cx).is_ready() {
            let since = *waits - std::mem::replace(waits_seen, *waits);
            if since == 0 {
                self.is_restless.store(true, Ordering::Relaxed);
                self.wake_turner();
            }
            *is_weak = since > 0 && !std::mem::replace(has_come, false);
            *timer = start();
        }
        Poll::Pending
    }
}

fn remember(place: &Mutex<Option<Waker>>, cx: &Context<'_>) {
    let mut place = lock(place);
    if !place.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

fn wake(place: &Mutex<Option<Waker>>) {
    if let Some(waker) = &*lock(place) {
        waker.wake_by_ref();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
