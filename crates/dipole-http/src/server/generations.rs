//! What a worker has alive, generation by generation.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::registry::{Phase, Registry};

/// The registries of a worker: one for each address, and one more for each listener that took
/// over from another, so that the connections of the older one can retire by themselves.
#[derive(Debug)]
pub(super) struct Generations {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    live: Vec<Arc<Registry>>,
    /// Woken when there is one more to wait for.
    waiting: Option<Waker>,
}

impl Generations {
    pub(super) fn new() -> Self {
        let state = State { phase: Phase::Serving, live: Vec::new(), waiting: None };
        Self { state: Mutex::new(state) }
    }

    /// A registry for one more listener; in the phase that the worker is in.
    pub(super) fn add(&self) -> Arc<Registry> {
        let registry = Arc::new(Registry::new());
        let mut state = self.lock();
        registry.enter(state.phase);
        state.live.push(Arc::clone(&registry));
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        registry
    }

    /// Moves all of them on to a later phase.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = state.phase.max(phase);
        let live = state.live.clone();
        let waiting = state.waiting.take();
        drop(state);
        live.iter().for_each(|registry| registry.enter(phase));
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// True when the worker ends and nothing of it is left; else the caller is woken in time.
    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        state.waiting = Some(cx.waker().clone());
        let live = mem::take(&mut state.live);
        // One that is empty before it has begun retiring still waits for its connections.
        state.live = live
            .into_iter()
            .filter(|registry| !registry.poll_empty(cx) || registry.phase() == Phase::Serving)
            .collect();
        state.phase >= Phase::Draining && state.live.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
