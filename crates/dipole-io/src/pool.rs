//! Buffers that connections share, so that an idle one holds none.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::BytesMut;

/// How many stores a thread has a buffer at hand of: TCP's and TLS's, of a server and of a client.
const MOST_AT_HAND: usize = 4;

thread_local! {
    /// What this thread gave back last. Most requests take a buffer and give it back before another
    /// one takes it, and so without a lock.
    static AT_HAND: [AtHand; MOST_AT_HAND] = const { [const { AtHand::empty() }; MOST_AT_HAND] };
}

/// A place for one buffer of a store, out of it.
struct AtHand {
    /// Where the store is in memory. No other one is there as long as this place is its.
    address: Cell<usize>,
    store: RefCell<Weak<Shared>>,
    buffer: Cell<Option<BytesMut>>,
}

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
    /// A store that keeps at most `max_buffers` unused buffers of `buffer_size` bytes. Each thread
    /// that gives some back has one more at hand, unless `max_buffers` is 0; at most four of all
    /// stores.
    #[must_use]
    pub fn new(buffer_size: usize, max_buffers: usize) -> Self {
        let free = Mutex::new(Vec::new());
        Self { shared: Arc::new(Shared { buffer_size, max_buffers, free }) }
    }

    /// The size of its buffers, in bytes.
    #[inline]
    #[must_use]
    pub fn buffer_size(&self) -> usize {
        self.shared.buffer_size
    }

    /// An empty buffer, from the store or newly allocated.
    #[inline]
    #[must_use]
    pub fn take(&self) -> BytesMut {
        let at_hand = AT_HAND.try_with(|places| self.place_in(places)?.buffer.take());
        at_hand.ok().flatten().unwrap_or_else(|| self.take_stored())
    }

    /// Takes a buffer back and leaves an empty one without memory in its place.
    #[inline]
    pub fn put(&self, buffer: &mut BytesMut) {
        let mut buffer = std::mem::take(buffer);
        buffer.clear();
        // Fails when somebody still holds bytes of it, or when it is a smaller one.
        if !buffer.try_reclaim(self.shared.buffer_size)
            || buffer.capacity() > 2 * self.shared.buffer_size
        {
            return;
        }
        let mut buffer = Some(buffer);
        let _ = AT_HAND.try_with(|places| {
            if let Some(place) = self.place_in(places) {
                buffer = place.buffer.replace(buffer.take());
            }
        });
        if let Some(buffer) = buffer {
            self.store(buffer);
        }
    }

    #[inline]
    fn place_in<'a>(&self, places: &'a [AtHand]) -> Option<&'a AtHand> {
        let address = Arc::as_ptr(&self.shared).addr();
        places.iter().find(|place| place.address.get() == address)
    }

    #[inline(never)]
    fn take_stored(&self) -> BytesMut {
        let stored = self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        stored.unwrap_or_else(|| self.allocate())
    }

    #[inline(never)]
    fn store(&self, buffer: BytesMut) {
        if self.shared.max_buffers == 0 {
            return;
        }
        let Some(buffer) = self.keep_at_hand(buffer) else { return };
        let mut free = self.shared.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.shared.max_buffers {
            free.push(buffer);
        }
    }

    /// Takes a place of this thread for the store, if there is none of it, and one is free.
    fn keep_at_hand(&self, buffer: BytesMut) -> Option<BytesMut> {
        let mut buffer = Some(buffer);
        let _ = AT_HAND.try_with(|places| {
            if self.place_in(places).is_none()
                && let Some(place) = places.iter().find(|place| place.is_free())
            {
                place.address.set(Arc::as_ptr(&self.shared).addr());
                place.store.replace(Arc::downgrade(&self.shared));
                place.buffer.set(buffer.take());
            }
        });
        buffer
    }

    fn allocate(&self) -> BytesMut {
        let mut buffer = BytesMut::with_capacity(self.shared.buffer_size);
        // Makes the buffer shareable once and for all, so that no later split allocates.
        drop(buffer.split_to(0));
        buffer
    }
}

impl AtHand {
    const fn empty() -> Self {
        Self { address: Cell::new(0), store: RefCell::new(Weak::new()), buffer: Cell::new(None) }
    }

    /// True when its store is gone, or there was none.
    fn is_free(&self) -> bool {
        self.store.borrow().strong_count() == 0
    }

    fn clear(&self) {
        self.address.set(0);
        self.store.take();
        self.buffer.take();
    }
}

impl Drop for Shared {
    /// What is at hand of it elsewhere stays until its thread ends or has another store.
    fn drop(&mut self) {
        let _ = AT_HAND.try_with(|places| {
            places.iter().filter(|place| place.is_free()).for_each(AtHand::clear);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(pool: &BufferPool, mut buffer: BytesMut) {
        pool.put(&mut buffer);
        assert_eq!(buffer.capacity(), 0);
    }

    fn stored(pool: &BufferPool) -> usize {
        pool.shared.free.lock().expect("nobody panicked").len()
    }

    #[test]
    fn what_was_given_back_is_taken_again() {
        let pool = BufferPool::new(1000, 2);
        let buffers: Vec<_> = (0..4).map(|_| pool.take()).collect();
        let places: Vec<_> = buffers.iter().map(|buffer| buffer.as_ptr()).collect();
        buffers.into_iter().for_each(|buffer| put(&pool, buffer));
        assert_eq!(stored(&pool), 2, "one is at hand, and one was one too many");
        let again: Vec<_> = (0..3).map(|_| pool.take()).collect();
        assert!(again.iter().all(|buffer| buffer.is_empty() && buffer.capacity() == 1000));
        assert!(again.iter().all(|buffer| places.contains(&buffer.as_ptr())));
        assert_eq!(stored(&pool), 0);
    }

    #[test]
    fn stores_on_one_thread_keep_their_buffers_apart() {
        let pools: Vec<_> = (1..=2 * MOST_AT_HAND).map(|n| BufferPool::new(n * 1000, 4)).collect();
        for _ in 0..3 {
            let buffers: Vec<_> = pools.iter().map(BufferPool::take).collect();
            for (pool, buffer) in pools.iter().zip(buffers) {
                assert_eq!(buffer.capacity(), pool.buffer_size());
                put(pool, buffer);
            }
        }
    }

    #[test]
    fn a_store_that_is_gone_leaves_nothing_at_hand_and_its_place_to_another() {
        for size in 1..=3 * MOST_AT_HAND {
            let pool = BufferPool::new(size * 1000, 4);
            put(&pool, pool.take());
            assert_eq!(stored(&pool), 0, "there is a place for it");
        }
        AT_HAND.with(|places| assert!(places.iter().all(|place| place.buffer.take().is_none())));
    }

    #[test]
    fn a_buffer_goes_back_on_any_thread() {
        let pool = BufferPool::new(1000, 4);
        let buffer = pool.take();
        let place = buffer.as_ptr() as usize;
        let elsewhere = pool.clone();
        let put_and_taken = std::thread::spawn(move || {
            put(&elsewhere, buffer);
            put(&elsewhere, BytesMut::with_capacity(1000));
            elsewhere.take().capacity()
        });
        assert_eq!(put_and_taken.join().expect("it does not panic"), 1000);
        assert_eq!(pool.take().as_ptr() as usize, place, "what came after it is at hand there");
    }

    #[test]
    fn a_buffer_of_which_bytes_are_held_is_not_taken_back() {
        let pool = BufferPool::new(1000, 4);
        let mut buffer = pool.take();
        buffer.extend_from_slice(b"held");
        let held = buffer.split().freeze();
        let place = held.as_ptr();
        put(&pool, buffer);
        assert_ne!(pool.take().as_ptr(), place);
        assert_eq!(held, "held");
    }

    #[test]
    fn a_store_of_none_keeps_none() {
        let pool = BufferPool::new(1000, 0);
        put(&pool, pool.take());
        AT_HAND.with(|places| assert!(places.iter().all(|place| place.buffer.take().is_none())));
        assert_eq!(stored(&pool), 0);
    }
}
