//! A listening socket that passes from one listener to another.

use std::any::Any;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What lives as long as a listening socket does, such as the guard of a Unix socket's path.
pub type Keepsake = Arc<dyn Any + Send + Sync>;

/// A socket that is bound and listens, whoever opened it: the service manager, an earlier process,
/// a listener of another library. Cheap to clone; the descriptor is closed with the last clone.
#[derive(Clone)]
pub struct ListeningSocket {
    descriptor: Arc<OwnedFd>,
    keepsake: Option<Keepsake>,
}

impl ListeningSocket {
    /// Of a descriptor that listens.
    #[must_use]
    pub fn new(descriptor: OwnedFd) -> Self {
        Self { descriptor: Arc::new(descriptor), keepsake: None }
    }

    /// With something that every listener on this socket has to keep alive.
    #[must_use]
    pub fn keeping(mut self, keepsake: Keepsake) -> Self {
        self.keepsake = Some(keepsake);
        self
    }

    /// What a listener on this socket has to keep alive; `None` when there is nothing.
    #[must_use]
    pub fn keepsake(&self) -> Option<Keepsake> {
        self.keepsake.clone()
    }

    /// Another process has the socket now, and with it what this one has kept: that is never
    /// dropped here any more.
    pub fn give_away(self) {
        std::mem::forget(self.keepsake);
    }

    /// A descriptor of one's own for the same socket: both accept from one queue.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }
}

impl From<OwnedFd> for ListeningSocket {
    fn from(descriptor: OwnedFd) -> Self {
        Self::new(descriptor)
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl fmt::Debug for ListeningSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ListeningSocket").field(&self.descriptor).finish()
    }
}
