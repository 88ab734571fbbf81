//! How large a library's rings are.

/// How large the rings of one [`Uring`](crate::Uring) are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UringOptions {
    /// Submissions that a ring queues between two system calls; more cost another. Default 256: as many as
    /// come together on a busy ring, and their memory stays in the cache.
    pub entries: u32,
    /// The most receive buffers of a ring, rounded up to a power of two. Memory is touched as they
    /// come into use: 64 at first, twice as many whenever they run out. Default 2,048.
    pub buffers: u16,
    /// The size of one, in bytes. Default 4,096.
    pub buffer_size: usize,
    /// How many queued bytes make a send ask the kernel not to copy; `None` is never, the default:
    /// see `ARCHITECTURE.md` for what was measured, and `examples/zero_copy.rs` to measure it. A
    /// connection asks once, and again only when the kernel has said that it did not copy.
    pub zero_copy_from: Option<usize>,
}

impl Default for UringOptions {
    fn default() -> Self {
        Self { entries: 256, buffers: 2048, buffer_size: 4096, zero_copy_from: None }
    }
}
