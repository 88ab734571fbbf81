//! The calls of a stream's halves, on the connection's state.

use std::task::Waker;

use bytes::Bytes;
use dipole_io::broken_here;
use dipole_net::{Error, ErrorKind, Initiator, Result};

use crate::state::{State, Woken};
use crate::stream::{Heard, Last, Receiving, Sending, Writing};

impl State {
    /// The next bytes of a stream; `None` when they are to be waited for.
    pub(crate) fn read(
        &mut self,
        id: u64,
        waker: &Waker,
        woken: &mut Woken,
    ) -> Option<Result<Option<Bytes>>> {
        let ended = self.ended.clone();
        let Some(half) = self.receiving_half(id) else { return Some(Err(gone(ended))) };
        if let Some(code) = half.stopped {
            return Some(Err(broken_here(code)));
        }
        let data = half.pieces.pop(usize::MAX);
        if !data.is_empty() {
            half.taken += data.len() as u64;
            self.take(data.len(), woken);
            self.settle(id, woken);
            return Some(Ok(Some(data)));
        }
        match (half.last, ended) {
            (Some(Heard::End), _) => Some(Ok(None)),
            (Some(Heard::Reset(code)), _) => {
                let by = Initiator::Peer;
                Some(Err(ErrorKind::StreamReset { code, by }.into()))
            }
            (None, Some(error)) => Some(Err(error)),
            (None, None) => {
                half.reader = Some(waker.clone());
                None
            }
        }
    }

    /// The reader wants no more; true when that changes anything.
    pub(crate) fn cancel_read(&mut self, id: u64, code: u64, woken: &mut Woken) -> bool {
        let Some(half) = self.receiving_half(id) else { return false };
        let is_read = half.last.is_some() && half.pieces.is_empty();
        if half.stopped.is_some() || is_read {
            return false;
        }
        half.stopped = Some(code);
        // With its end here there is nothing to stop.
        half.says_stop = half.last.is_none();
        let lost = half.pieces.clear();
        woken.wakers.extend(half.reader.take());
        self.take(lost, woken);
        self.settle(id, woken);
        true
    }

    /// Nobody reads it any more.
    pub(crate) fn drop_receive(&mut self, id: u64, woken: &mut Woken) {
        self.cancel_read(id, 0, woken);
        if let Some(half) = self.receiving_half(id) {
            half.is_dropped = true;
        }
        self.settle(id, woken);
    }

    /// Takes up to `length` bytes, which `take` gives; `None` when there is no room.
    pub(crate) fn write(
        &mut self,
        id: u64,
        length: usize,
        take: impl FnOnce(usize) -> Bytes,
        waker: &Waker,
        woken: &mut Woken,
    ) -> Option<Result<usize>> {
        if let Err(error) = self.may_write(id) {
            return Some(Err(error));
        }
        if length == 0 {
            return Some(Ok(0));
        }
        let room = self.room(length);
        let half = self.sending_half(id)?;
        let length = room.min(half.credit) as usize;
        if length == 0 {
            half.writer = Some(waker.clone());
            self.blocked.insert(id);
            return None;
        }
        half.credit -= length as u64;
        half.pieces.push(take(length));
        self.credit -= length as u64;
        self.held += length as u64;
        self.settle(id, woken);
        Some(Ok(length))
    }

    fn may_write(&mut self, id: u64) -> Result<()> {
        let ended = self.ended.clone();
        let Some(half) = self.sending_half(id) else { return Err(gone(ended)) };
        match (half.writing, ended) {
            (Writing::Closed, _) => Err(ErrorKind::Closed.into()),
            (Writing::Reset(code), _) => Err(broken_here(code)),
            (Writing::Stopped(code), _) => Err(ErrorKind::StreamStopped { code }.into()),
            (Writing::Open, Some(error)) => Err(error),
            (Writing::Open, None) => Ok(()),
        }
    }

    /// Ends a stream behind its data.
    pub(crate) fn close_send(&mut self, id: u64, woken: &mut Woken) -> Result<()> {
        match self.may_write(id) {
            Err(error) if *error.kind() == ErrorKind::Closed => return Ok(()),
            other => other?,
        }
        if let Some(half) = self.sending_half(id) {
            half.writing = Writing::Closed;
            half.last = Last::End;
        }
        self.settle(id, woken);
        Ok(())
    }

    /// The writer breaks it off; true when that changes anything.
    pub(crate) fn cancel_write(&mut self, id: u64, code: u64, woken: &mut Woken) -> bool {
        let Some(half) = self.sending_half(id) else { return false };
        if half.writing != Writing::Open {
            return false;
        }
        half.writing = Writing::Reset(code);
        half.last = Last::Reset(code);
        let lost = half.pieces.clear();
        woken.wakers.extend([half.writer.take(), half.stopper.take()].into_iter().flatten());
        self.give_back(lost, woken);
        self.settle(id, woken);
        true
    }

    /// Nobody writes it any more.
    pub(crate) fn drop_send(&mut self, id: u64, woken: &mut Woken) {
        self.cancel_write(id, 0, woken);
        if let Some(half) = self.sending_half(id) {
            half.is_dropped = true;
        }
        self.settle(id, woken);
    }

    /// What the peer says of it; `None` when that is to be waited for.
    pub(crate) fn stopped(&mut self, id: u64, waker: &Waker) -> Option<Result<Option<u64>>> {
        let ended = self.ended.clone();
        let Some(half) = self.sending_half(id) else { return Some(Err(gone(ended))) };
        if let Some(code) = half.stop {
            return Some(Ok(Some(code)));
        }
        if half.is_finished || matches!(half.writing, Writing::Reset(_)) {
            return Some(Ok(None));
        }
        if let Some(error) = ended {
            return Some(Err(error));
        }
        half.stopper = Some(waker.clone());
        None
    }

    fn receiving_half(&mut self, id: u64) -> Option<&mut Receiving> {
        self.streams.get_mut(&id)?.receive.as_mut()
    }

    fn sending_half(&mut self, id: u64) -> Option<&mut Sending> {
        self.streams.get_mut(&id)?.send.as_mut()
    }
}

/// A half keeps its stream from being forgotten, so this is never asked for while one is there.
fn gone(ended: Option<Error>) -> Error {
    ended.unwrap_or_else(|| ErrorKind::Closed.into())
}
