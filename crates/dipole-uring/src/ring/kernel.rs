//! What the ring needs of a kernel: the real one, or one made up for tests.

use std::io;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::time::Duration;

use super::buffers::Entry;

/// The far side of the ring.
pub(crate) trait Kernel: Send {
    /// Owns a descriptor: closed when dropped.
    type Descriptor: Send + Sync;

    /// Queues a submission; false when the queue is full, and then nothing of it is kept.
    ///
    /// # Safety
    /// What `submission` points to stays valid, and is touched by nobody else where the kernel
    /// writes, until the last completion of `user_data` has been taken by [`pop`](Self::pop).
    unsafe fn push(&mut self, submission: &Submission, user_data: u64) -> bool;

    /// Gives the kernel what is queued, and runs what it has put off. Costs no system call when
    /// there is nothing of either.
    ///
    /// # Errors
    /// Nothing was lost: what is still queued goes with the next call.
    fn enter(&mut self) -> io::Result<()>;

    /// As `enter`, and waits for a completion, but no longer than this.
    ///
    /// # Errors
    /// As `enter`.
    fn enter_and_wait(&mut self, at_most: Duration) -> io::Result<()>;

    /// The next completion.
    fn pop(&mut self) -> Option<Completion>;

    /// The `user_data` of a completion that `pop` has not given yet, so many places after the next one, if it is
    /// known already.
    fn upcoming(&self, places: usize) -> Option<u64>;

    /// True when `enter` or `pop` would find something to do.
    fn has_work(&mut self) -> bool;

    /// Whether completions are announced on the ring's eventfd from now on.
    fn announce(&mut self, announcing: Announcing);

    /// Gives the kernel the ring of buffers that receives take from.
    ///
    /// # Safety
    /// `entries` points to `count` entries that are valid, and so is the memory that the entries
    /// name, until the kernel is dropped and no receive is under way.
    unsafe fn register_buffers(&mut self, entries: NonNull<Entry>, count: u16) -> io::Result<()>;

    /// Owns the descriptor that an accept has completed with.
    ///
    /// # Safety
    /// `raw` comes from such a completion, and is given here once.
    unsafe fn own(&self, raw: RawFd) -> Self::Descriptor;

    /// The number under which the kernel knows a descriptor.
    fn number(descriptor: &Self::Descriptor) -> RawFd;

    /// System calls made so far.
    fn enters(&self) -> u64;
}

/// Whether the kernel announces completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcing {
    /// Nobody waits: each would cost a wake.
    Off,
    /// The thread is about to wait.
    On,
}

/// One operation as the kernel is told of it. Pointers are valid until its last completion.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Submission {
    /// Accepts until it is cancelled.
    AcceptMany { descriptor: RawFd },
    /// Receives into provided buffers until it is cancelled, or none is left.
    ReceiveMany { descriptor: RawFd },
    /// Sends all of one piece.
    Send { descriptor: RawFd, from: *const u8, length: u32, copying: Copying },
    /// Sends all of several pieces.
    SendMessage { descriptor: RawFd, message: *const libc::msghdr, copying: Copying },
    /// Connects.
    Connect { descriptor: RawFd, address: *const libc::sockaddr, length: libc::socklen_t },
    /// Cancels what runs under this `user_data`.
    Cancel { target: u64 },
}

/// Whether the kernel copies what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copying {
    /// It does, and the memory is free with the only completion.
    Yes,
    /// It does where it must; a second completion says when the memory is free.
    No,
}

/// What the kernel says of an operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    /// A count or a descriptor; below zero an error number.
    pub(crate) result: i32,
    /// True when the operation has further completions.
    pub(crate) more: bool,
    /// True when this says that a zero-copy send's memory is free.
    pub(crate) notification: bool,
    /// The provided buffer that was filled.
    pub(crate) buffer: Option<u16>,
}
