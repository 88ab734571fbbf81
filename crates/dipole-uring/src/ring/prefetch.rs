//! Asking for memory before it is looked at.

/// A line of the cache, in bytes.
const LINE: usize = 64;

/// Brings the line of an address, and those that follow it, into the cache. It is a hint: nothing is read,
/// whatever is there, and an address of nothing does nothing. On other processors than x86-64 none does.
#[inline(always)]
pub(crate) fn prefetch<const LINES: usize>(address: usize) {
    for line in 0..LINES {
        prefetch_line(address.wrapping_add(line * LINE));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
fn prefetch_line(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: it faults at no address, and reads nothing that the program could see.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
#[inline(always)]
fn prefetch_line(_: usize) {}
