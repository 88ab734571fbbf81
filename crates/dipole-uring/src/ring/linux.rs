//! The kernel under the ring: Linux.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use super::buffers::Entry;
use super::kernel::{Announcing, Completion, Copying, Kernel, Submission};

/// The group of buffers that receives take from; a ring has one.
const GROUP: u16 = 0;
const ENTER_GETEVENTS: u32 = 1;
/// Reports in a notification whether the kernel has copied after all.
const REPORT_USAGE: u16 = 1 << 3;
/// The most completions that are taken from the kernel's queue at once.
const MOST_TAKEN: usize = 64;

/// A ring of this thread's: it alone may enter it.
pub(crate) struct Linux {
    ring: IoUring,
    /// Taken from the kernel's queue: the first `taken` are there, and the first `given` were given.
    completions: Box<[MaybeUninit<cqueue::Entry>; MOST_TAKEN]>,
    taken: usize,
    given: usize,
    enters: u64,
}

impl Linux {
    /// A ring with room for `entries` submissions, whose completions are announced on `eventfd`.
    ///
    /// # Errors
    /// Whatever this kernel, its settings, a container or a limit forbid.
    pub(crate) fn new(entries: u32, eventfd: BorrowedFd<'_>) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(entries * 8)
            .setup_clamp()
            .build(entries)?;
        ring.submitter().register_eventfd(eventfd.as_raw_fd())?;
        let completions = Box::new([const { MaybeUninit::uninit() }; MOST_TAKEN]);
        Ok(Self { ring, completions, taken: 0, given: 0, enters: 0 })
    }

    /// Whether this kernel knows each of `opcodes`.
    ///
    /// # Errors
    /// The kernel has no probe.
    pub(crate) fn knows<const N: usize>(&self, opcodes: [u8; N]) -> io::Result<[bool; N]> {
        let mut probe = io_uring::Probe::new();
        self.ring.submitter().register_probe(&mut probe)?;
        Ok(opcodes.map(|opcode| probe.is_supported(opcode)))
    }

    /// One that was taken and not given, so many places after the next one.
    #[inline]
    fn completion(&self, places: usize) -> Option<&cqueue::Entry> {
        let entry = self.completions[..self.taken].get(self.given + places)?;
        // SAFETY: `fill` has initialised the first `taken`, and never fewer.
        Some(unsafe { entry.assume_init_ref() })
    }

    fn queued(&mut self) -> (u32, bool) {
        let queue = self.ring.submission();
        (queue.len() as u32, queue.taskrun() || queue.cq_overflow())
    }
}

impl Kernel for Linux {
    type Descriptor = OwnedFd;

    unsafe fn push(&mut self, submission: &Submission, user_data: u64) -> bool {
        let entry = entry(submission).user_data(user_data);
        // SAFETY: the caller's promise is what `push` asks for.
        unsafe { self.ring.submission().push(&entry) }.is_ok()
    }

    fn enter(&mut self) -> io::Result<()> {
        let (queued, is_put_off) = self.queued();
        if queued == 0 && !is_put_off {
            return Ok(());
        }
        self.enters += 1;
        let submitter = self.ring.submitter();
        // SAFETY: no argument is given, and the flag is one that needs none. What is queued was
        // pushed under the promise of `push`.
        match unsafe { submitter.enter::<libc::sigset_t>(queued, 0, ENTER_GETEVENTS, None) } {
            Ok(_) => Ok(()),
            // The kernel is short of memory, or has completions that must be taken first; or a
            // signal came.
            Err(error) if is_for_later(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn enter_and_wait(&mut self, at_most: Duration) -> io::Result<()> {
        self.enters += 1;
        let at_most = Timespec::from(at_most);
        let args = SubmitArgs::new().timespec(&at_most);
        match self.ring.submitter().submit_with_args(1, &args) {
            Ok(_) => Ok(()),
            Err(error) if is_for_later(&error) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ETIME) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn pop(&mut self) -> Option<Completion> {
        if self.given == self.taken {
            self.given = 0;
            self.taken = self.ring.completion().fill(&mut self.completions[..]).len();
        }
        let entry = self.completion(0)?;
        let completion = Completion {
            user_data: entry.user_data(),
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            notification: cqueue::notif(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        };
        self.given += 1;
        Some(completion)
    }

    fn upcoming(&self, places: usize) -> Option<u64> {
        Some(self.completion(places)?.user_data())
    }

    fn has_work(&mut self) -> bool {
        let (queued, is_put_off) = self.queued();
        let is_all_given = self.given == self.taken && self.ring.completion().is_empty();
        queued > 0 || is_put_off || !is_all_given
    }

    fn announce(&mut self, announcing: Announcing) {
        let completions = self.ring.completion();
        match announcing {
            Announcing::On => completions.enable_eventfd(),
            Announcing::Off => completions.disable_eventfd(),
        }
        // The flag is seen before what it is about is looked at.
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    unsafe fn register_buffers(&mut self, entries: NonNull<Entry>, count: u16) -> io::Result<()> {
        let address = entries.as_ptr() as u64;
        // SAFETY: the caller's promise is what this asks for.
        unsafe { self.ring.submitter().register_buf_ring_with_flags(address, count, GROUP, 0) }
    }

    unsafe fn own(&self, raw: RawFd) -> OwnedFd {
        // SAFETY: the kernel has opened it for us, and the caller gives it here once.
        unsafe { OwnedFd::from_raw_fd(raw) }
    }

    fn number(descriptor: &OwnedFd) -> RawFd {
        descriptor.as_raw_fd()
    }

    fn enters(&self) -> u64 {
        self.enters
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY))
}

fn entry(submission: &Submission) -> io_uring::squeue::Entry {
    const WHOLE: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
    match *submission {
        Submission::AcceptMany { descriptor } => {
            opcode::AcceptMulti::new(Fd(descriptor)).flags(libc::SOCK_CLOEXEC).build()
        }
        Submission::ReceiveMany { descriptor } => {
            opcode::RecvMulti::new(Fd(descriptor), GROUP).build()
        }
        Submission::Send { descriptor, from, length, copying: Copying::Yes } => {
            opcode::Send::new(Fd(descriptor), from, length).flags(WHOLE).build()
        }
        Submission::Send { descriptor, from, length, copying: Copying::No } => {
            let send = opcode::SendZc::new(Fd(descriptor), from, length).flags(WHOLE);
            send.zc_flags(REPORT_USAGE).build()
        }
        Submission::SendMessage { descriptor, message, copying: Copying::Yes } => {
            opcode::SendMsg::new(Fd(descriptor), message).flags(WHOLE as u32).build()
        }
        Submission::SendMessage { descriptor, message, copying: Copying::No } => {
            let send = opcode::SendMsgZc::new(Fd(descriptor), message).flags(WHOLE as u32);
            send.ioprio(REPORT_USAGE).build()
        }
        Submission::Connect { descriptor, address, length } => {
            opcode::Connect::new(Fd(descriptor), address, length).build()
        }
        Submission::Cancel { target } => {
            opcode::AsyncCancel2::new(CancelBuilder::user_data(target)).build()
        }
    }
}
