//! Buffers that connections share, so that an idle one holds none.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;

/// A bounded store of buffers of one size; its clones are one store.
///
/// A worker's connections share one. A buffer whose bytes somebody still holds is not taken back.
#[derive(Clone, Debug)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    buffer_size: usize,
    max_buffers: usize,
    free: Mutex<Vec<BytesMut>>,
}

impl Default for BufferPool {
    /// 64 buffers of 16 KiB at most.
    fn default() -> Self {
        Self::new(16 * 1024, 64)
    }
}

impl BufferPool {
    /// A store that keeps at most `max_buffers` unused buffers of `buffer_size` bytes.
    #[must_use]
    pub fn new(buffer_size: usize, max_buffers: usize) -> Self {
        let free = Mutex::new(Vec::new());
        Self { shared: Arc::new(Shared { buffer_size, max_buffers, free }) }
    }

    /// The size of its buffers, in bytes.
    #[must_use]
    pub fn buffer_size(&self) -> usize {
        self.shared.buffer_size
    }

    /// An empty buffer, from the store or newly allocated.
    #[must_use]
    pub fn take(&self) -> BytesMut {
        let stored = self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        stored.unwrap_or_else(|| self.allocate())
    }

    /// Takes a buffer back and leaves an empty one without memory in its place.
    pub fn put(&self, buffer: &mut BytesMut) {
        let mut buffer = std::mem::take(buffer);
        buffer.clear();
        // Fails when somebody still holds bytes of it, or when it is a smaller one.
        if !buffer.try_reclaim(self.shared.buffer_size)
            || buffer.capacity() > 2 * self.shared.buffer_size
        {
            return;
        }
        let mut free = self.shared.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.shared.max_buffers {
            free.push(buffer);
        }
    }

    fn allocate(&self) -> BytesMut {
        let mut buffer = BytesMut::with_capacity(self.shared.buffer_size);
        // Makes the buffer shareable once and for all, so that no later split allocates.
        drop(buffer.split_to(0));
        buffer
    }
}
