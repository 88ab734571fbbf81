//! The library as a value: binding addresses, and the rings it makes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use dipole_io::BufferPool;
use dipole_net::{
    Addr, Capabilities, Driver, Error, ErrorKind, ListenOptions, Listener, Result, Transport,
};

use crate::counters::Counters;
use crate::driver::WorkerDriver;
use crate::link::{Background, Link};
use crate::listener::UringListener;
use crate::options::UringOptions;
use crate::probe::Probe;
use crate::shared::Shared;

/// TCP and Unix sockets on io_uring: a transport and a dialer. Its clones are one.
///
/// On a thread that drives a ring ([`Transport::driver`]) it uses that one; elsewhere it has one on
/// a thread of its own, which costs each batch of operations a wake.
#[derive(Clone)]
pub struct Uring {
    inner: Arc<Inner>,
}

struct Inner {
    options: UringOptions,
    buffers: BufferPool,
    background: Mutex<Option<Arc<Background>>>,
    rings: Mutex<Vec<Weak<Shared>>>,
}

/// Memory for what is sent. The kernel has it from the flush to the completion, so in one turn of a
/// ring as many are in use as there are answers; 8 MiB are kept at most.
pub(crate) fn output_buffers() -> BufferPool {
    BufferPool::new(8 * 1024, 1024)
}

/// What this library can do.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.tcp = true;
    capabilities.host_names = true;
    capabilities.unix_paths = true;
    capabilities.unix_abstract = true;
    capabilities.half_close = true;
    capabilities.reset = true;
    capabilities.descriptors = true;
    capabilities.uses_descriptors = true;
    capabilities
};

impl Uring {
    /// With rings of the default sizes.
    ///
    /// # Errors
    /// `Unsupported`, with the reason, where this kernel, its settings or a container do not allow
    /// what the library needs: see [`Probe`].
    pub fn new() -> Result<Self> {
        Self::with_options(UringOptions::default())
    }

    /// With rings of these sizes.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_options(options: UringOptions) -> Result<Self> {
        if let Some(reason) = Probe::gather().obstacle() {
            return Err(Error::with_message(ErrorKind::Unsupported, reason));
        }
        let inner = Inner {
            options,
            buffers: output_buffers(),
            background: Mutex::default(),
            rings: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What its rings that are still there have done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let rings = lock(&self.inner.rings).clone();
        let rings = rings.iter().filter_map(Weak::upgrade);
        rings.map(|ring| ring.counters()).fold(Counters::default(), Counters::and)
    }

    pub(crate) fn buffers(&self) -> &BufferPool {
        &self.inner.buffers
    }

    /// The ring that this thread is to use.
    pub(crate) fn link(&self) -> io::Result<Link> {
        if let Some(link) = Link::of_this_thread() {
            return Ok(link);
        }
        let mut background = lock(&self.inner.background);
        if let Some(running) = &*background {
            return Ok(Link::background(Arc::clone(running)));
        }
        let started = Arc::new(Background::start(&self.inner.options)?);
        self.count(&started.shared);
        Ok(Link::background(Arc::clone(background.insert(started))))
    }

    fn count(&self, ring: &Arc<Shared>) {
        let mut rings = lock(&self.inner.rings);
        rings.retain(|ring| ring.strong_count() > 0);
        rings.push(Arc::downgrade(ring));
    }
}

impl Transport for Uring {
    fn name(&self) -> &'static str {
        "uring"
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let listener = |bound| Box::new(UringListener::new(self, bound)) as Box<dyn Listener>;
        Ok(dipole_sockets::listen(addr, options)?.into_iter().map(listener).collect())
    }

    fn driver(&self) -> Result<Option<Arc<dyn Driver>>> {
        let Some(driver) = WorkerDriver::of_this_thread(&self.inner.options)? else {
            return Ok(None);
        };
        self.count(driver.shared());
        Ok(Some(Arc::new(driver)))
    }
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
