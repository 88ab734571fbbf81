//! Opening, accepting and ending streams.

use std::task::Waker;

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Result};
use tokio::time::Instant;

use crate::link::End;
use crate::streams::channel::Channel;
use crate::streams::path::{Arrival, sooner};
use crate::streams::session::{After, Kind, Look, Queue, State, Stream};

/// Who opened a stream (RFC 9000 section 2.1).
pub(crate) fn opener(id: u64) -> End {
    if id & 1 == 0 { End::Dialer } else { End::Listener }
}

pub(crate) fn kind(id: u64) -> Kind {
    if id & 2 == 0 { Kind::Bidi } else { Kind::Uni }
}

impl State {
    /// Opens a stream, where there is credit and nobody waits before `turn` (S4).
    pub(crate) fn open(
        &mut self,
        end: End,
        kind: Kind,
        turn: Option<u64>,
        now: Instant,
    ) -> Look<Result<u64>> {
        if let Some(error) = self.error(end) {
            return Look::Ready(Err(error));
        }
        let own = self.end(end);
        let ends_at = own.life.end_at();
        let first = own.queues[Queue::Open(kind).index()].keys().next().copied();
        let is_first = first.is_none_or(|first| turn.is_some_and(|turn| turn <= first));
        if !is_first {
            return Look::Waits(ends_at);
        }
        let credit = &mut own.streams[kind as usize];
        if credit.available(now) == 0 {
            return Look::Waits(sooner(credit.next(), ends_at));
        }
        credit.take(1);
        let number = own.opened[kind as usize];
        own.opened[kind as usize] += 1;
        let id = number << 2 | (kind as u64) << 1 | end as u64;
        let channel = |writer: End| {
            let window = self.ends[writer.peer() as usize].options.stream_window;
            Channel::new(self.path(writer, id), window)
        };
        let mut channels = [None, None];
        channels[end as usize] = Some(channel(end));
        if kind == Kind::Bidi {
            channels[end.peer() as usize] = Some(channel(end.peer()));
        }
        let halves = if kind == Kind::Bidi { 2 } else { 1 };
        let stream = Stream { channels, halves, is_accepted: false, is_returned: false };
        self.streams.insert(id, stream);
        self.end(end.peer()).unaccepted[kind as usize].insert(id);
        Look::Ready(Ok(id))
    }

    /// The stream of the peer's on which something has come first (S7).
    pub(crate) fn accept(&mut self, end: End, kind: Kind, now: Instant) -> Look<Result<u64>> {
        let Some(until) = self.sees_until(end, now) else {
            return Look::Ready(Err(self.error(end).unwrap_or_else(closed)));
        };
        let streams = &self.streams;
        let first = |id: &u64| {
            let channel = streams.get(id)?.channels[end.peer() as usize].as_ref()?;
            Some((channel.first()?, *id))
        };
        let unaccepted = &self.ends[end as usize].unaccepted[kind as usize];
        let next = unaccepted.iter().filter_map(first).min();
        match next {
            Some((at, id)) if at <= until => {
                self.end(end).unaccepted[kind as usize].remove(&id);
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.is_accepted = true;
                    stream.halves += if kind == Kind::Bidi { 2 } else { 1 };
                }
                Look::Ready(Ok(id))
            }
            next => match self.error(end) {
                Some(error) => Look::Ready(Err(error)),
                None => {
                    let at = next.map(|(at, _)| at);
                    Look::Waits(sooner(at, self.ends[end as usize].life.end_at()))
                }
            },
        }
    }

    /// Gives the opener its credit back, once a stream is over on both sides (S6), and forgets a
    /// stream that nobody holds.
    pub(crate) fn settle(&mut self, id: u64, now: Instant, after: &mut After) {
        let opener = opener(id);
        let Some(stream) = self.streams.get(&id) else { return };
        let [there, back] = [opener, opener.peer()].map(|end| &stream.channels[end as usize]);
        let read = there.as_ref().and_then(|there| there.is_read_at(now));
        let sent = back.as_ref().map_or(Some(now), |back| back.is_over_at(now));
        if let (Some(read), Some(sent), false) = (read, sent, stream.is_returned) {
            let arrival = match self.tell(opener.peer(), now) {
                Arrival::At(at) => Arrival::At(at.max(read).max(sent)),
                held @ Arrival::Held(_) => held,
            };
            let credit = &mut self.end(opener).streams[kind(id) as usize];
            credit.give(1, arrival);
            let queue = &self.end(opener).queues[Queue::Open(kind(id)).index()];
            after.woken.extend(queue.values().next().cloned());
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.is_returned = true;
            }
        }
        let is_over =
            |stream: &Stream| stream.halves == 0 && stream.is_accepted && stream.is_returned;
        if self.streams.get(&id).is_some_and(is_over) {
            self.streams.remove(&id);
        }
    }

    /// Something is on its way to whoever reads stream `id` at `end`: so they look again.
    pub(crate) fn wake_reader(&mut self, end: End, id: u64, after: &mut After) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some(channel) = &mut stream.channels[end.peer() as usize] {
            after.woken.extend(channel.reader.take());
        }
        if !stream.is_accepted {
            let queue = &self.end(end).queues[Queue::Accept(kind(id)).index()];
            after.woken.extend(queue.values().cloned());
        }
    }

    /// Puts `waker` into a queue, at its turn or behind all others.
    pub(crate) fn enter(&mut self, end: End, queue: Queue, turn: &mut Option<u64>, waker: &Waker) {
        let own = self.end(end);
        let turn = turn.get_or_insert_with(|| {
            own.turn += 1;
            own.turn
        });
        own.queues[queue.index()].insert(*turn, waker.clone());
    }

    /// Takes `turn` out of a queue; the next one looks.
    pub(crate) fn leave(&mut self, end: End, queue: Queue, turn: u64, after: &mut After) {
        let queue = &mut self.end(end).queues[queue.index()];
        after.woken.extend(queue.values().next().cloned());
        queue.remove(&turn);
        after.woken.extend(queue.values().next().cloned());
    }

    /// The next datagram that has come to `end`.
    pub(crate) fn datagram(&mut self, end: End, now: Instant) -> Look<Result<Bytes>> {
        let until = self.sees_until(end, now);
        let next = self.end(end).datagrams.first_entry();
        if let (Some(until), Some(next)) = (until, next)
            && next.key().0 <= until
        {
            let datagram = next.remove();
            self.end(end).received += datagram.len() as u64;
            return Look::Ready(Ok(datagram));
        }
        match self.error(end) {
            Some(error) => Look::Ready(Err(error)),
            None => {
                let own = self.end(end);
                let next = own.datagrams.keys().next().map(|(at, _)| *at);
                Look::Waits(sooner(next, own.life.end_at()))
            }
        }
    }
}

/// What a stream says that its connection has forgotten.
pub(crate) fn closed() -> Error {
    ErrorKind::Closed.into()
}
