//! A ring's eventfd among the events of a runtime.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches `eventfd` in the current runtime.
///
/// # Errors
/// The runtime's event source does not take it.
pub(crate) fn watched(eventfd: Arc<OwnedFd>) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the descriptor is open as long as the `Arc`, which the result keeps, and always the
    // same.
    let registered = unsafe { AsyncFd::register_with_interest(eventfd, Interest::READABLE) };
    Ok(registered?)
}
