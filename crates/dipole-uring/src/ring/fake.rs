//! A kernel made up for tests: late, short, in any order, out of room; and it touches what it holds.
//!
//! Whatever an operation lends it is read and written through the pointers it was given, each time
//! it is entered and up to the last completion. So miri sees any memory that was freed or changed
//! too early, and the table of descriptors shows any that was closed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::buffers::Entry;
use super::kernel::{Announcing, Completion, Copying, Kernel, Submission};

/// Which descriptors are open.
#[derive(Default)]
pub(crate) struct Descriptors {
    open: Mutex<BTreeSet<RawFd>>,
}

impl Descriptors {
    pub(crate) fn open(self: &Arc<Self>) -> FakeDescriptor {
        let mut open = self.open.lock().unwrap();
        // The lowest that is free, as a real one: a number is reused as soon as it can be.
        let number = (3..).find(|number| !open.contains(number)).unwrap();
        open.insert(number);
        FakeDescriptor { number, descriptors: Arc::clone(self) }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.lock().unwrap().len()
    }

    fn is_open(&self, number: RawFd) -> bool {
        self.open.lock().unwrap().contains(&number)
    }
}

pub(crate) struct FakeDescriptor {
    pub(crate) number: RawFd,
    descriptors: Arc<Descriptors>,
}

impl Drop for FakeDescriptor {
    fn drop(&mut self) {
        assert!(self.descriptors.open.lock().unwrap().remove(&self.number), "closed twice");
    }
}

/// Numbers that a seed determines (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) as usize % n
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The byte at a place of what a descriptor receives.
pub(crate) fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

pub(crate) struct Fake {
    random: Random,
    /// Submissions that it takes between two enters.
    room: usize,
    /// Completes nothing at all: what is under way at the ring's end must be leaked.
    pub(crate) is_stuck: bool,
    queued: VecDeque<(Submission, u64)>,
    running: Vec<Running>,
    completions: VecDeque<Completion>,
    entries: Option<(NonNull<Entry>, u16)>,
    head: u16,
    descriptors: Arc<Descriptors>,
    /// Per descriptor, what was sent on it: shared, to be looked at when the ring is gone.
    pub(crate) sent: Arc<Mutex<BTreeMap<RawFd, Vec<u8>>>>,
    received: BTreeMap<RawFd, usize>,
}

struct Running {
    submission: Submission,
    user_data: u64,
    /// What a zero-copy send took, and the kernel still holds.
    lent: Option<Vec<u8>>,
}

// SAFETY: the pointers are followed on whatever thread has the kernel, one at a time.
unsafe impl Send for Fake {}

impl Fake {
    pub(crate) fn new(seed: u64, room: usize, descriptors: &Arc<Descriptors>) -> Self {
        Self {
            random: Random(seed | 1),
            room,
            is_stuck: false,
            queued: VecDeque::new(),
            running: Vec::new(),
            completions: VecDeque::new(),
            entries: None,
            head: 0,
            descriptors: Arc::clone(descriptors),
            sent: Arc::default(),
            received: BTreeMap::new(),
        }
    }

    fn complete(&mut self, user_data: u64, result: i32, more: bool) {
        self.put(Completion { user_data, result, more, notification: false, buffer: None });
    }

    fn put(&mut self, completion: Completion) {
        self.completions.push_back(completion);
    }

    /// Reads every byte that is lent, and writes to every buffer that can be filled.
    fn touch_all(&self) {
        for running in &self.running {
            assert!(self.descriptors.is_open(descriptor(&running.submission)), "closed under way");
            let bytes = lent_bytes(&running.submission);
            if let Some(lent) = &running.lent {
                assert!(bytes.starts_with(lent), "changed while it was lent");
            }
        }
        for place in 0..self.free() {
            let (address, length, _) = self.entry(self.head.wrapping_add(place));
            for at in 0..length {
                // SAFETY: the buffer is the kernel's until it is taken from the ring.
                unsafe { address.add(at).write(0xee) };
            }
        }
    }

    fn free(&self) -> u16 {
        let Some((entries, _)) = self.entries else { return 0 };
        // SAFETY: registered with the promise that it stays valid.
        let tail = unsafe { (*entries.as_ptr()).reserved.load(Ordering::Acquire) };
        tail.wrapping_sub(self.head)
    }

    fn entry(&self, at: u16) -> (*mut u8, usize, u16) {
        let (entries, count) = self.entries.unwrap();
        // SAFETY: as above; the entry is behind the tail, so it is not written any more.
        unsafe {
            let entry = entries.as_ptr().add(usize::from(at & (count - 1)));
            let address = (&raw const (*entry).address).read() as usize;
            let length = (&raw const (*entry).length).read() as usize;
            let index = (&raw const (*entry).index).read();
            (std::ptr::with_exposed_provenance_mut(address), length, index)
        }
    }

    /// Goes on with one operation, a little.
    fn work_on(&mut self, index: usize) {
        let Running { submission, user_data, ref lent } = self.running[index];
        let is_lent = lent.is_some();
        let is_over = match submission {
            Submission::AcceptMany { .. } if self.random.one_in(8) => {
                self.complete(user_data, -libc::EMFILE, false);
                true
            }
            Submission::AcceptMany { .. } => {
                let accepted = self.descriptors.open();
                let number = accepted.number;
                // Owned by the completion from now on, as a number.
                std::mem::forget(accepted);
                let more = !self.random.one_in(8);
                self.complete(user_data, number, more);
                !more
            }
            Submission::ReceiveMany { descriptor } => self.receive(descriptor, user_data),
            Submission::Send { copying, .. } | Submission::SendMessage { copying, .. } => {
                self.send(index, copying, is_lent)
            }
            Submission::Connect { address, length, .. } => {
                // SAFETY: lent until the completion.
                let address =
                    unsafe { std::slice::from_raw_parts(address.cast(), length as usize) };
                assert!(address.iter().map(|byte: &u8| u32::from(*byte)).sum::<u32>() > 0);
                let result = if self.random.one_in(2) { 0 } else { -libc::ECONNREFUSED };
                self.complete(user_data, result, false);
                true
            }
            Submission::Cancel { .. } => true,
        };
        if is_over {
            self.running.swap_remove(index);
        }
    }

    fn receive(&mut self, descriptor: RawFd, user_data: u64) -> bool {
        if self.free() == 0 {
            self.complete(user_data, -libc::ENOBUFS, false);
            return true;
        }
        let (address, length, index) = self.entry(self.head);
        let end = match self.random.below(40) {
            0 => Some(0),
            1 => Some(-libc::ECONNRESET),
            _ => None,
        };
        if let Some(result) = end {
            self.complete(user_data, result, false);
            return true;
        }
        self.head = self.head.wrapping_add(1);
        let n = 1 + self.random.below(length);
        let at = self.received.entry(descriptor).or_default();
        for offset in 0..n {
            // SAFETY: taken from the ring just now, so nobody else has it.
            unsafe { address.add(offset).write(pattern(*at + offset)) };
        }
        *at += n;
        let more = !self.random.one_in(10);
        let result = n as i32;
        self.put(Completion { user_data, result, more, notification: false, buffer: Some(index) });
        !more
    }

    fn send(&mut self, index: usize, copying: Copying, is_lent: bool) -> bool {
        let Running { submission, user_data, .. } = self.running[index];
        if is_lent {
            let result = if self.random.one_in(2) { i32::MIN } else { 0 };
            self.put(Completion {
                user_data,
                result,
                more: false,
                notification: true,
                buffer: None,
            });
            return true;
        }
        if self.random.one_in(20) {
            self.complete(user_data, -libc::EPIPE, false);
            return true;
        }
        let bytes = lent_bytes(&submission);
        // Short more often than not.
        let n = if bytes.is_empty() { 0 } else { 1 + self.random.below(bytes.len()) };
        let mut sent = self.sent.lock().unwrap();
        sent.entry(descriptor(&submission)).or_default().extend_from_slice(&bytes[..n]);
        drop(sent);
        let is_zero_copy = copying == Copying::No;
        self.complete(user_data, n as i32, is_zero_copy);
        self.running[index].lent = is_zero_copy.then_some(bytes);
        !is_zero_copy
    }

    fn cancel(&mut self, target: u64) {
        let found = self.running.iter().position(|running| running.user_data == target);
        // What is lent is not ended by it, and some things are too late to be.
        if let Some(index) = found
            && self.running[index].lent.is_none()
            && !self.is_stuck
            && !self.random.one_in(4)
        {
            self.running.swap_remove(index);
            self.complete(target, -libc::ECANCELED, false);
        }
        self.complete(super::NO_OPERATION, 0, false);
    }
}

impl Kernel for Fake {
    type Descriptor = FakeDescriptor;

    unsafe fn push(&mut self, submission: &Submission, user_data: u64) -> bool {
        if self.queued.len() >= self.room {
            return false;
        }
        self.queued.push_back((*submission, user_data));
        true
    }

    fn enter(&mut self) -> io::Result<()> {
        if self.random.one_in(10) {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let taken = self.random.below(self.queued.len() + 1);
        for (submission, user_data) in self.queued.drain(..taken).collect::<Vec<_>>() {
            match submission {
                Submission::Cancel { target } => self.cancel(target),
                _ => self.running.push(Running { submission, user_data, lent: None }),
            }
        }
        self.touch_all();
        if !self.is_stuck {
            for _ in 0..self.random.below(30) {
                if !self.running.is_empty() {
                    let index = self.random.below(self.running.len());
                    self.work_on(index);
                }
            }
        }
        Ok(())
    }

    fn enter_and_wait(&mut self, _: Duration) -> io::Result<()> {
        let _ = self.enter();
        Ok(())
    }

    fn pop(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    fn upcoming(&self, places: usize) -> Option<u64> {
        Some(self.completions.get(places)?.user_data)
    }

    fn has_work(&mut self) -> bool {
        !self.queued.is_empty() || !self.completions.is_empty()
    }

    fn announce(&mut self, _: Announcing) {}

    unsafe fn register_buffers(&mut self, entries: NonNull<Entry>, count: u16) -> io::Result<()> {
        self.entries = Some((entries, count));
        Ok(())
    }

    unsafe fn own(&self, number: RawFd) -> FakeDescriptor {
        FakeDescriptor { number, descriptors: Arc::clone(&self.descriptors) }
    }

    fn number(descriptor: &FakeDescriptor) -> RawFd {
        descriptor.number
    }

    fn enters(&self) -> u64 {
        0
    }
}

fn descriptor(submission: &Submission) -> RawFd {
    match *submission {
        Submission::AcceptMany { descriptor }
        | Submission::ReceiveMany { descriptor }
        | Submission::Send { descriptor, .. }
        | Submission::SendMessage { descriptor, .. }
        | Submission::Connect { descriptor, .. } => descriptor,
        Submission::Cancel { .. } => unreachable!("a cancellation does not stay"),
    }
}

/// What a send would send, read now.
fn lent_bytes(submission: &Submission) -> Vec<u8> {
    // SAFETY: the ring has promised that all of it is valid until the last completion, which this
    // kernel has not given yet.
    unsafe {
        match *submission {
            Submission::Send { from, length, .. } => {
                std::slice::from_raw_parts(from, length as usize).to_vec()
            }
            Submission::SendMessage { message, .. } => {
                let message = &*message;
                let vectors = std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen as _);
                let piece = |vector: &libc::iovec| {
                    std::slice::from_raw_parts(vector.iov_base.cast::<u8>(), vector.iov_len)
                };
                vectors.iter().flat_map(piece).copied().collect()
            }
            _ => Vec::new(),
        }
    }
}
