//! What a worker has alive, and how it is told that the server ends.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// How far the server's end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    Serving,
    /// Another listener has taken over: nothing more is accepted, and the next answer of a
    /// connection is its last.
    Retiring,
    /// It accepts nothing, idle connections close, running requests end.
    Draining,
    /// What still runs is dropped.
    Ending,
}

/// The tasks of a worker for one listener: its accept loop and its connections.
///
/// Each has a place here with its waker, so that a change of phase reaches all of them at once and
/// costs a running request one atomic load.
#[derive(Debug)]
pub(crate) struct Registry {
    phase: AtomicU8,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    live: usize,
    /// Woken when the last place is given up, or the phase changes.
    waiting: Option<Waker>,
}

/// A task's place in a registry; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Arc<Registry>,
    index: usize,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self { phase: AtomicU8::new(Phase::Serving as u8), places: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Retiring,
            2 => Phase::Draining,
            _ => Phase::Ending,
        }
    }

    /// Moves on to a later phase and wakes every task.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        let mut places = self.lock();
        let waiting = places.waiting.take();
        let wakers: Vec<_> = places.wakers.iter().flatten().cloned().chain(waiting).collect();
        drop(places);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A place for a task that is about to be spawned.
    pub(crate) fn join(self: &Arc<Self>) -> Place {
        let mut places = self.lock();
        places.live += 1;
        let index = places.free.pop().unwrap_or_else(|| {
            places.wakers.push(None);
            places.wakers.len() - 1
        });
        drop(places);
        Place { registry: Arc::clone(self), index }
    }

    /// True when no task is left; else the caller is woken when the last one leaves, or the phase
    /// changes.
    pub(crate) fn poll_empty(&self, cx: &Context<'_>) -> bool {
        let mut places = self.lock();
        places.waiting = Some(cx.waker().clone());
        places.live == 0
    }
}

impl Place {
    /// Remembers the task that is polled. The task looks at the phase afterwards.
    pub(crate) fn settle(&self, cx: &Context<'_>) {
        match &mut self.registry.lock().wakers[self.index] {
            // Copies nothing where it is the same.
            Some(known) => known.clone_from(cx.waker()),
            place => *place = Some(cx.waker().clone()),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.registry.phase()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.registry.lock();
        places.wakers[self.index] = None;
        places.free.push(self.index);
        places.live -= 1;
        // Whoever waits is the worker's root, which the runtime asks anew at the price of a turn.
        let waiting = if places.live == 0 { places.waiting.take() } else { None };
        drop(places);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}
