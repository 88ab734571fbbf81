//! What the rings have done, for whoever wants to know.

/// What the rings of one [`Uring`](crate::Uring) have done, as long as they are there: a worker's ring
/// takes its counts along when it ends.
///
/// `enters` over the requests of the same time is the system calls a request; `copied` and
/// `out_of_buffers` that grow say that the ring wants more buffers
/// ([`UringOptions::buffers`](crate::UringOptions::buffers)); `buffers_out` that stays high that
/// connections hold bytes which nobody reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// System calls that entered a ring (`io_uring_enter`).
    pub enters: u64,
    /// Operations and cancellations given to the kernel.
    pub submissions: u64,
    /// Completions taken from it.
    pub completions: u64,
    /// Turns of a ring: completions a turn are the batch size.
    pub turns: u64,
    /// Receives that ended because the kernel had no buffer left (`ENOBUFS`).
    pub out_of_buffers: u64,
    /// Received bytes that were copied out of the ring's buffers, because these were scarce.
    pub copied: u64,
    /// Sends that asked the kernel not to copy.
    pub zero_copy_sends: u64,
    /// Of these, sends that it has copied all the same, as it does on loopback.
    pub zero_copies_copied: u64,
    /// Receive buffers that readers hold at this moment.
    pub buffers_out: u64,
    /// Operations that the kernel has at this moment.
    pub operations: u64,
}

impl Counters {
    /// Completions a turn, on average; turns that found nothing are among them.
    #[must_use]
    pub fn batch(&self) -> f64 {
        if self.turns == 0 { 0.0 } else { self.completions as f64 / self.turns as f64 }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            enters: self.enters + other.enters,
            submissions: self.submissions + other.submissions,
            completions: self.completions + other.completions,
            turns: self.turns + other.turns,
            out_of_buffers: self.out_of_buffers + other.out_of_buffers,
            copied: self.copied + other.copied,
            zero_copy_sends: self.zero_copy_sends + other.zero_copy_sends,
            zero_copies_copied: self.zero_copies_copied + other.zero_copies_copied,
            buffers_out: self.buffers_out + other.buffers_out,
            operations: self.operations + other.operations,
        }
    }
}
