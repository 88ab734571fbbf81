//! The buffers that receives are completed in, lent to the kernel and to readers in turn.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A buffer as the kernel reads of it (`struct io_uring_buf`). In the first entry of a ring,
/// `reserved` is the ring's tail.
#[repr(C)]
pub(crate) struct Entry {
    pub(super) address: u64,
    pub(super) length: u32,
    pub(super) index: u16,
    pub(super) reserved: AtomicU16,
}

const PAGE: usize = 4096;
const CACHE_LINE: usize = 64;

/// Buffers begin a line further each: with a page between them, the first lines of all of them, which
/// most requests fill alone, would have to share the few places that a cache has for one offset.
fn stride_of(buffer_size: usize) -> usize {
    buffer_size.next_multiple_of(CACHE_LINE) + CACHE_LINE
}

/// The memory of a ring of buffers.
///
/// A buffer is in one of three hands: nobody's yet, the kernel's (its index is in the ring), or a
/// reader's (a [`Segment`] exists, one for each index). It passes to the kernel in `give`, and to a
/// reader in `take`, which is called once for each completion that names it.
pub(crate) struct Group {
    entries: NonNull<Entry>,
    memory: NonNull<u8>,
    count: u16,
    buffer_size: usize,
    /// From one buffer to the next.
    stride: usize,
    /// How many buffers were put in the ring so far; who holds it may write entries.
    tail: Mutex<u16>,
    /// Buffers that have been in use at all; the others' memory was never touched. Grows under the
    /// lock of `tail`.
    grown: AtomicU16,
    /// How many buffers were taken so far. What was put in and not taken is in the kernel's hands.
    taken: AtomicU16,
}

// SAFETY: the pointers are to memory that this value owns. The entries are written under the lock
// of `tail` alone; a buffer's bytes are read only through its one `Segment`, and written only by
// the kernel while no segment of it exists.
unsafe impl Send for Group {}
// SAFETY: as above.
unsafe impl Sync for Group {}

impl Group {
    /// `count` buffers of `buffer_size` bytes, none of them the kernel's yet. `count` is a power of
    /// two.
    pub(super) fn new(count: u16, buffer_size: usize) -> Self {
        assert!(count.is_power_of_two() && buffer_size > 0, "a ring of {count} x {buffer_size}");
        assert!(
            u32::try_from(buffer_size).is_ok(),
            "the kernel counts a buffer's bytes in 32 bits"
        );
        let stride = stride_of(buffer_size);
        let (entries, memory) = (Self::entries_layout(count), Self::layout(count, stride));
        // SAFETY: neither layout is of zero bytes, by the assertion.
        let (entries_at, memory_at) = unsafe { (alloc_zeroed(entries), alloc(memory)) };
        let entries_at = NonNull::new(entries_at).unwrap_or_else(|| handle_alloc_error(entries));
        let memory = NonNull::new(memory_at).unwrap_or_else(|| handle_alloc_error(memory));
        Self {
            entries: entries_at.cast(),
            memory,
            count,
            buffer_size,
            stride,
            tail: Mutex::default(),
            grown: AtomicU16::new(0),
            taken: AtomicU16::new(0),
        }
    }

    fn entries_layout(count: u16) -> Layout {
        Layout::from_size_align(usize::from(count) * size_of::<Entry>(), PAGE).expect("it is small")
    }

    fn layout(count: u16, stride: usize) -> Layout {
        Layout::from_size_align(usize::from(count) * stride, PAGE).expect("it is addressable")
    }

    pub(super) fn entries(&self) -> NonNull<Entry> {
        self.entries
    }

    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Lends the kernel up to `more` buffers that were never in use; gives how many.
    pub(super) fn grow(&self, more: u16) -> u16 {
        let mut tail = self.tail();
        let grown = self.grown.load(Ordering::Relaxed);
        let more = more.min(self.count - grown);
        for index in grown..grown + more {
            self.grown.store(index + 1, Ordering::Relaxed);
            self.provide(&mut tail, index);
        }
        more
    }

    /// Buffers that the kernel can fill.
    pub(super) fn free(&self) -> u16 {
        // In this order, for another thread may put one in between.
        let taken = self.taken.load(Ordering::Relaxed);
        self.published_tail().load(Ordering::Relaxed).wrapping_sub(taken)
    }

    /// Buffers that readers hold.
    pub(super) fn out(&self) -> u16 {
        self.grown.load(Ordering::Relaxed).saturating_sub(self.free())
    }

    /// True when less than a quarter of the buffers is left to the kernel: readers shall not hold
    /// more of them, or a few that do not read would stop all others.
    pub(super) fn is_scarce(&self) -> bool {
        self.free() < self.count / 4 && self.grown.load(Ordering::Relaxed) == self.count
    }

    /// The buffer of a completion. Gives nothing for an index that is not one of this ring.
    ///
    /// # Safety
    /// The kernel has taken `index` out of the ring and filled its first `length` bytes; this is
    /// called once for each time it does, and by one thread at a time.
    pub(super) unsafe fn take(self: &Arc<Self>, index: u16, length: usize) -> Option<Segment> {
        if index >= self.grown.load(Ordering::Relaxed) || length > self.buffer_size {
            return None;
        }
        if self.free() == 0 {
            return None;
        }
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
        // SAFETY: `index` is below `count`, so this stays inside of the allocation.
        let at = unsafe { self.memory.add(usize::from(index) * self.stride) };
        Some(Segment { group: Arc::clone(self), at, length: length as u32, index })
    }

    /// Puts a buffer in the ring. The caller has the only right to it, and gives it up.
    fn provide(&self, tail: &mut u16, index: u16) {
        let place = usize::from(*tail & (self.count - 1));
        let address = self.memory.as_ptr() as usize + usize::from(index) * self.stride;
        // SAFETY: `place` is below `count`. The kernel does not read this entry before the tail
        // has passed it, and the fields are written one by one: the first entry's last field is
        // the tail. The lock, whose content `tail` is, keeps other writers out.
        unsafe {
            let entry = self.entries.add(place).as_ptr();
            (&raw mut (*entry).address).write(address as u64);
            (&raw mut (*entry).length).write(self.buffer_size as u32);
            (&raw mut (*entry).index).write(index);
        }
        *tail = tail.wrapping_add(1);
        self.published_tail().store(*tail, Ordering::Release);
    }

    /// The tail as the kernel sees it.
    fn published_tail(&self) -> &AtomicU16 {
        // SAFETY: the first entry is valid as long as `self`; the field is atomic.
        unsafe { &(*self.entries.as_ptr()).reserved }
    }

    fn tail(&self) -> MutexGuard<'_, u16> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with these layouts. The ring keeps the group alive while the
        // kernel may write to it, and each segment does while somebody may read.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), Self::entries_layout(self.count));
            dealloc(self.memory.as_ptr(), Self::layout(self.count, self.stride));
        }
    }
}

/// Received bytes, where the kernel has put them. Dropped, the buffer is the kernel's again.
pub(crate) struct Segment {
    group: Arc<Group>,
    /// The first unread byte.
    at: NonNull<u8>,
    length: u32,
    index: u16,
}

// SAFETY: it has the only right to its buffer, and the group can be used from any thread.
unsafe impl Send for Segment {}
// SAFETY: shared, it can only be read.
unsafe impl Sync for Segment {}

impl Segment {
    /// Forgets the first `n` bytes, of which there are that many.
    pub(crate) fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "{n} bytes of {}", self.len());
        // SAFETY: not past the end of the filled part of the buffer, by the assertion.
        self.at = unsafe { self.at.add(n) };
        self.length -= n as u32;
    }

    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.group.buffer_size
    }
}

impl Deref for Segment {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the kernel has filled these bytes, and writes no more to them before `drop`.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.length as usize) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let mut tail = self.group.tail();
        self.group.provide(&mut tail, self.index);
    }
}
