//! Data on streams, and breaking them off.

use std::task::Waker;

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Initiator, Result};
use tokio::time::Instant;

use crate::link::{End, register};
use crate::streams::channel::{Channel, Found, Reading, Writing};
use crate::streams::path::{Arrival, Sent, sooner};
use crate::streams::session::{After, Look, Session, State};
use crate::streams::stream::closed;

/// The most pieces that are under way on one stream, however small.
const PIECES: usize = 4096;

impl Session {
    /// The next data of stream `id` for `end`.
    pub(crate) fn read(&self, end: End, id: u64, waker: &Waker) -> Look<Result<Option<Bytes>>> {
        self.look(|state, now, after| {
            let until = state.sees_until(end, now);
            let error = state.error(end);
            let Some(channel) = state.channel(end.peer(), id) else {
                return Look::Ready(Err(error.unwrap_or_else(closed)));
            };
            let found = match (until, channel.reading) {
                // What this end knows already, it knows after the connection's end.
                (None, Reading::Open) => Found::Nothing(None),
                (until, _) => channel.find(until.unwrap_or(now)),
            };
            match found {
                Found::Data(data) => {
                    self.log(end, format_args!("stream {id} took {}", data.len()));
                    self.count(0, data.len());
                    state.end(end).received += data.len() as u64;
                    state.refund(end.peer(), id, data.len(), now, after);
                    Look::Ready(Ok(Some(data)))
                }
                Found::End => {
                    state.settle(id, now, after);
                    Look::Ready(Ok(None))
                }
                Found::Reset(code) => {
                    self.discard(state, end.peer(), id, now, after);
                    state.settle(id, now, after);
                    let by = Initiator::Peer;
                    Look::Ready(Err(ErrorKind::StreamReset { code, by }.into()))
                }
                Found::Stopped(code) => Look::Ready(Err(broken_here(code))),
                Found::Nothing(_) if error.is_some() => {
                    Look::Ready(Err(error.unwrap_or_else(closed)))
                }
                Found::Nothing(at) => {
                    after.replace(register(&mut channel.reader, waker));
                    Look::Waits(sooner(at, state.end(end).life.end_at()))
                }
            }
        })
    }

    /// Sends up to `length` bytes on stream `id`, which `take` gives.
    pub(crate) fn write(
        &self,
        end: End,
        id: u64,
        length: usize,
        mut take: impl FnMut(usize) -> Bytes,
        waker: &Waker,
    ) -> Look<Result<usize>> {
        self.look(|state, now, after| {
            if let Err(error) = state.may_write(end, id, now, after) {
                return Look::Ready(Err(error));
            }
            if length == 0 {
                return Look::Ready(Ok(0));
            }
            let mut written = 0;
            while written < length {
                let room = state.room(end, id, now).min(length - written);
                let Some(channel) = state.channel(end, id) else { break };
                if room == 0 || channel.chunks.len() >= PIECES {
                    break;
                }
                let piece = channel.path.piece(room);
                let Sent::Arrives(arrival) = channel.path.send(now, piece) else {
                    self.log(end, format_args!("stream {id} broken off: a fault"));
                    state.break_off(now, after);
                    return Look::Ready(Err(ErrorKind::Reset.into()));
                };
                channel.window.take(piece as u64);
                let is_wanted = channel.reading == Reading::Open;
                let data = take(piece);
                match is_wanted {
                    true => {
                        self.count(piece, 0);
                        channel.push(data, arrival);
                    }
                    false => after.dropped.push(data),
                }
                state.sent(end, piece, now, arrival);
                if !is_wanted {
                    state.refund(end, id, piece, now, after);
                }
                written += piece;
            }
            if written > 0 {
                self.log(end, format_args!("stream {id} sent {written}"));
                state.wake_reader(end.peer(), id, after);
                return Look::Ready(Ok(written));
            }
            state.end(end).blocked.insert(id);
            let own = state.end(end);
            let more = sooner(own.window.next(), own.unacknowledged.next());
            let ends_at = own.life.end_at();
            let Some(channel) = state.channel(end, id) else {
                return Look::Ready(Err(closed()));
            };
            after.replace(register(&mut channel.writer, waker));
            let stop = channel.stop.and_then(|(_, arrival)| arrival.at());
            let more = sooner(sooner(more, channel.window.next()), stop);
            Look::Waits(sooner(more, ends_at))
        })
    }

    /// Ends stream `id` behind its data.
    pub(crate) fn finish(&self, end: End, id: u64) -> Result<()> {
        self.look(|state, now, after| {
            match state.may_write(end, id, now, after) {
                Ok(()) => {}
                Err(_) if state.writing(end, id) == Some(Writing::Closed) => return Ok(()),
                Err(error) => return Err(error),
            }
            self.log(end, format_args!("stream {id} finished"));
            let arrival = state.tell(end, now);
            let back = state.end(end.peer()).path.delay();
            if let Some(channel) = state.channel(end, id) {
                channel.writing = Writing::Closed;
                channel.back = back;
                channel.fin = Some(arrival);
                after.woken.extend(channel.wakers());
            }
            state.wake_reader(end.peer(), id, after);
            state.settle(id, now, after);
            Ok(())
        })
    }

    /// Breaks the stream off for its reader.
    pub(crate) fn cancel_write(&self, end: End, id: u64, code: u64) {
        self.look(|state, now, after| {
            if state.writing(end, id) != Some(Writing::Open) {
                return;
            }
            self.log(end, format_args!("stream {id} reset with code {code:#x}"));
            let arrival = state.tell(end, now);
            if let Some(channel) = state.channel(end, id) {
                channel.writing = Writing::Reset(code);
                channel.reset = Some((code, arrival));
                after.woken.extend(channel.wakers());
            }
            state.wake_reader(end.peer(), id, after);
            state.settle(id, now, after);
        });
    }

    /// Asks the stream's writer to stop.
    pub(crate) fn cancel_read(&self, end: End, id: u64, code: u64) {
        self.look(|state, now, after| {
            let writer = end.peer();
            match state.channel(writer, id) {
                Some(channel) if channel.reading == Reading::Open => {}
                _ => return,
            }
            self.log(end, format_args!("stream {id} stopped with code {code:#x}"));
            let arrival = state.tell(end, now);
            if let Some(channel) = state.channel(writer, id) {
                channel.reading = Reading::Stopped(code);
                channel.stop = Some((code, arrival));
                after.woken.extend(channel.wakers());
            }
            self.discard(state, writer, id, now, after);
            state.settle(id, now, after);
        });
    }

    /// Whether the reader of what `end` writes on stream `id` has stopped it, or has all of it.
    pub(crate) fn stopped(&self, end: End, id: u64, waker: &Waker) -> Look<Result<Option<u64>>> {
        self.look(|state, now, after| {
            let until = state.sees_until(end, now);
            let error = state.error(end);
            let ends_at = state.end(end).life.end_at();
            let Some(channel) = state.channel(end, id) else {
                return Look::Ready(Err(error.unwrap_or_else(closed)));
            };
            if let Some(code) = until.and_then(|until| channel.stopped(until)) {
                return Look::Ready(Ok(Some(code)));
            }
            let all_at = match channel.writing {
                Writing::Reset(_) => return Look::Ready(Ok(None)),
                Writing::Closed => channel.acknowledged().map(|at| at + channel.back),
                Writing::Open | Writing::Stopped(_) => None,
            };
            if all_at.is_some_and(|at| Some(at) <= until) {
                return Look::Ready(Ok(None));
            }
            if let Some(error) = error {
                return Look::Ready(Err(error));
            }
            after.replace(register(&mut channel.stopper, waker));
            // One that has come was too late.
            let stop = channel.stop.and_then(|(_, arrival)| arrival.at()).filter(|at| *at > now);
            Look::Waits(sooner(sooner(stop, all_at), ends_at))
        })
    }

    /// A half of stream `id` is dropped.
    pub(crate) fn drop_half(&self, id: u64) {
        self.look(|state, now, after| {
            if let Some(stream) = state.streams.get_mut(&id) {
                stream.halves -= 1;
            }
            state.settle(id, now, after);
        });
    }

    /// Drops what is under way on a channel that nobody reads.
    fn discard(&self, state: &mut State, writer: End, id: u64, now: Instant, after: &mut After) {
        let Some(channel) = state.channel(writer, id) else { return };
        let (chunks, length) = channel.clear();
        after.dropped.extend(chunks.into_iter().map(|chunk| chunk.data));
        self.count(0, length);
        state.refund(writer, id, length, now, after);
    }
}

impl State {
    /// What `writer` writes on stream `id`.
    pub(crate) fn channel(&mut self, writer: End, id: u64) -> Option<&mut Channel> {
        self.streams.get_mut(&id)?.channels[writer as usize].as_mut()
    }

    fn writing(&mut self, end: End, id: u64) -> Option<Writing> {
        Some(self.channel(end, id)?.writing)
    }

    /// Why `end` may not write on stream `id`.
    fn may_write(&mut self, end: End, id: u64, now: Instant, after: &mut After) -> Result<()> {
        let error = self.error(end);
        let until = self.sees_until(end, now);
        let Some(channel) = self.channel(end, id) else {
            return Err(error.unwrap_or_else(closed));
        };
        if let Some(until) = until {
            channel.stopped(until);
        }
        match channel.writing {
            Writing::Open => error.map_or(Ok(()), Err),
            Writing::Closed => Err(closed()),
            Writing::Reset(code) => Err(broken_here(code)),
            Writing::Stopped(code) => {
                self.settle(id, now, after);
                Err(ErrorKind::StreamStopped { code }.into())
            }
        }
    }

    /// How many bytes `end` may send on stream `id` now.
    fn room(&mut self, end: End, id: u64, now: Instant) -> usize {
        let own = self.end(end);
        let room = own.window.available(now).min(own.unacknowledged.available(now));
        let Some(channel) = self.channel(end, id) else { return 0 };
        usize::try_from(room.min(channel.window.available(now))).unwrap_or(usize::MAX)
    }

    /// `end` has put `length` bytes on their way.
    fn sent(&mut self, end: End, length: usize, now: Instant, arrival: Arrival) {
        let acknowledged = self.note(end, now, arrival);
        let own = self.end(end);
        own.sent += length as u64;
        own.window.take(length as u64);
        own.unacknowledged.take(length as u64);
        own.unacknowledged.give(length as u64, acknowledged);
    }

    /// The reader has done with `length` bytes of `writer`'s: the windows open again (S15).
    fn refund(&mut self, writer: End, id: u64, length: usize, now: Instant, after: &mut After) {
        if length == 0 {
            return;
        }
        let arrival = self.tell(writer.peer(), now);
        self.end(writer).window.give(length as u64, arrival);
        if let Some(channel) = self.channel(writer, id) {
            channel.window.give(length as u64, arrival);
            after.woken.extend(channel.writer.take());
        }
        for id in std::mem::take(&mut self.end(writer).blocked) {
            let waiting = self.channel(writer, id).and_then(|channel| channel.writer.take());
            after.woken.extend(waiting);
        }
    }
}

/// What a half says that this end has broken off.
fn broken_here(code: u64) -> Error {
    ErrorKind::StreamReset { code, by: Initiator::Local }.into()
}
