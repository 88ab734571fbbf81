//! The ring that a connection or a listener is on.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::Duration;

use crate::options::UringOptions;
use crate::reactor::{Brought, Pace};
use crate::shared::Shared;

thread_local! {
    /// The ring that this thread drives. A ring belongs to its thread (`SINGLE_ISSUER`), so whoever
    /// is about to use one has to ask the thread.
    static OF_THIS_THREAD: RefCell<Weak<Shared>> = const { RefCell::new(Weak::new()) };
}

/// A use of a ring. A ring with a thread of its own ends with its last link.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    background: Option<Arc<Background>>,
}

impl Link {
    /// To the ring that this thread drives.
    pub(crate) fn of_this_thread() -> Option<Self> {
        let shared = OF_THIS_THREAD.with_borrow(Weak::upgrade)?;
        Some(Self { shared, background: None })
    }

    /// Makes `shared` the ring that this thread drives; false when it drives one already.
    pub(crate) fn drives(shared: &Arc<Shared>) -> bool {
        let has_none = OF_THIS_THREAD.with_borrow(|ring| ring.strong_count() == 0);
        if has_none {
            OF_THIS_THREAD.set(Arc::downgrade(shared));
        }
        has_none
    }

    /// This thread drives no ring any more.
    pub(crate) fn drives_none() {
        OF_THIS_THREAD.set(Weak::new());
    }

    /// Turns the ring when this is its thread.
    pub(crate) fn turn_if_here(&self) {
        const MOST_TURNS: usize = 4;
        let is_here = OF_THIS_THREAD.with_borrow(|ring| ring.as_ptr() == Arc::as_ptr(&self.shared));
        for _ in 0..MOST_TURNS {
            if !is_here || self.shared.turn(Pace::Thorough) == Brought::Nothing {
                return;
            }
        }
    }

    /// Waits, for a moment at most, until a ring with a thread of its own has done something: that
    /// thread runs nobody's code, so it does. Elsewhere it does not wait.
    pub(crate) fn wait_in_background(&self, is_done: impl Fn() -> bool) {
        const PAUSE: Duration = Duration::from_micros(50);
        const MOST_PAUSES: usize = 1000;
        if self.background.is_none() {
            return;
        }
        for _ in 0..MOST_PAUSES {
            if is_done() {
                // What was dropped in a turn is gone when the turn has ended.
                self.shared.with(|_| ());
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    /// To a ring on a thread of its own.
    pub(crate) fn background(background: Arc<Background>) -> Self {
        Self { shared: Arc::clone(&background.shared), background: Some(background) }
    }
}

/// A ring on a thread of its own, for runtimes whose threads drive none. Each batch costs it a wake
/// and a second system call.
pub(crate) struct Background {
    pub(crate) shared: Arc<Shared>,
    has_users: Arc<Users>,
}

/// Gone when nobody uses the ring any more.
struct Users;

impl Background {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread, or its ring, cannot be made.
    pub(crate) fn start(options: &UringOptions) -> io::Result<Self> {
        let (report, reported) = mpsc::sync_channel(1);
        let (options, has_users) = (options.clone(), Arc::new(Users));
        let users = Arc::downgrade(&has_users);
        // The ring is bound to its thread, so it is made there and its failure is sent here.
        let run = move || match Shared::new(&options).map(Arc::new) {
            Ok(shared) => {
                let _ = report.send(Ok(Arc::clone(&shared)));
                drop(report);
                turn_until_unused(&shared, &users);
            }
            Err(error) => drop(report.send(Err(error))),
        };
        thread::Builder::new().name("dipole-uring".into()).spawn(run)?;
        let died = || Err(io::Error::other("the ring's thread has died"));
        let shared = reported.recv().unwrap_or_else(|_| died())?;
        Ok(Self { shared, has_users })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.has_users = Arc::new(Users);
        self.shared.wake();
    }
}

fn turn_until_unused(shared: &Arc<Shared>, users: &Weak<Users>) {
    while users.strong_count() > 0 {
        if shared.turn_and_park(Pace::Thorough).1 {
            // Blocks until the kernel or another thread adds to the counter.
            let _ = rustix::io::read(shared.eventfd(), &mut [0u8; 8]);
        }
        shared.unpark();
    }
    shared.end();
}
