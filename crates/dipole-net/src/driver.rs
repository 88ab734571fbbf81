//! A network library's own event source, driven by the threads that run its connections.

/// The event source of one thread, where a library has one of its own.
///
/// A server that gives each worker a thread asks [`Transport::driver`](crate::Transport::driver) for
/// it there, and calls it at the points below, always on that thread. Whoever runs connections on a
/// runtime of their own may do the same; the library works without it, and slower.
pub trait Driver: Send + Sync {
    /// The thread's runtime runs: called inside of it, once.
    fn start(&self);

    /// The thread is about to wait for events of its runtime: what is queued goes to the kernel,
    /// and whoever has something to do by now is woken. The wait MUST end when the library has more.
    fn park(&self);

    /// The wait has ended.
    fn unpark(&self);

    /// The runtime has ended: connections that are left are closed.
    fn stop(&self);
}
