//! The ring that a connection or a listener is on.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::task::{Poll, Waker, ready};
use std::thread;

use dipole_net::Driver;
use tokio::task::JoinHandle;

use crate::options::UringOptions;
use crate::ring::watched;
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
    _background: Option<Arc<Background>>,
}

impl Link {
    /// To the ring that this thread drives.
    pub(crate) fn of_this_thread() -> Option<Self> {
        let shared = OF_THIS_THREAD.with_borrow(Weak::upgrade)?;
        Some(Self { shared, _background: None })
    }

    /// To a ring on a thread of its own.
    pub(crate) fn background(background: Arc<Background>) -> Self {
        Self { shared: Arc::clone(&background.shared), _background: Some(background) }
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
        if shared.turn_and_park() {
            // Blocks until the kernel or another thread adds to the counter.
            let _ = rustix::io::read(shared.eventfd(), &mut [0u8; 8]);
        }
        shared.unpark();
    }
    shared.end();
}

/// A ring that a runtime's thread drives whenever it is about to wait.
pub(crate) struct WorkerDriver {
    shared: Arc<Shared>,
    /// Of the task that ends the runtime's wait when the ring has work.
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    waker: Mutex<Option<Waker>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl WorkerDriver {
    /// Makes this thread's ring; `None` when it has one.
    ///
    /// # Errors
    /// The ring cannot be made.
    pub(crate) fn of_this_thread(options: &UringOptions) -> io::Result<Option<Self>> {
        if OF_THIS_THREAD.with_borrow(|ring| ring.strong_count() > 0) {
            return Ok(None);
        }
        let shared = Arc::new(Shared::new(options)?);
        OF_THIS_THREAD.set(Arc::downgrade(&shared));
        Ok(Some(Self { shared, watch: Arc::default() }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Driver for WorkerDriver {
    fn start(&self) {
        let (shared, watch) = (Arc::clone(&self.shared), Arc::clone(&self.watch));
        let task = tokio::spawn(async move { watch.over(&shared).await });
        *lock(&self.watch.task) = Some(task);
    }

    fn park(&self) {
        if !self.shared.turn_and_park() {
            // There is more already, which no announcement tells of: the thread shall not wait.
            lock(&self.watch.waker).as_ref().map(Waker::wake_by_ref);
        }
    }

    fn unpark(&self) {
        self.shared.unpark();
    }

    fn stop(&self) {
        OF_THIS_THREAD.set(Weak::new());
        if let Some(task) = lock(&self.watch.task).take() {
            task.abort();
        }
        self.shared.end();
    }
}

impl Watch {
    /// Takes the eventfd's readiness away each time, without reading it: the event source reports
    /// each addition to the counter anew. The ring itself is turned before the thread waits.
    async fn over(&self, shared: &Shared) {
        let eventfd = Arc::clone(shared.eventfd());
        let Ok(eventfd) = watched(eventfd) else { return };
        poll_fn(|cx| {
            *lock(&self.waker) = Some(cx.waker().clone());
            while let Ok(mut ready) = ready!(eventfd.poll_read_ready(cx)) {
                ready.clear_ready();
            }
            Poll::Ready(())
        })
        .await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
