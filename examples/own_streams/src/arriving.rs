//! What comes from the peer.

use dipole_net::{Error, ErrorKind, Initiator};

use crate::frame::{Close, Frame, Kind, LARGEST, Malformed};
use crate::state::{Queue, State, VIOLATION, Woken, kind};
use crate::stream::{Heard, Last, StreamState, Writing};

impl State {
    /// Takes a frame; a peer that breaks the protocol ends the connection.
    pub(crate) fn receive(&mut self, frame: Frame, woken: &mut Woken) {
        if let Err(Malformed(what)) = self.try_receive(frame, woken) {
            self.end_for_violation(what, woken);
        }
    }

    fn try_receive(&mut self, frame: Frame, woken: &mut Woken) -> Result<(), Malformed> {
        match frame {
            Frame::Hello(_) => return Err(Malformed("a second hello")),
            Frame::Data { id, data, is_last } => self.data(id, data, is_last, woken)?,
            Frame::Window { id, more } => {
                let Some(stream) = self.find(id)? else { return Ok(()) };
                let half = stream.send.as_mut().ok_or(WRONG_WAY)?;
                half.credit = added(half.credit, more)?;
                woken.wakers.extend(half.writer.take());
            }
            Frame::ConnectionWindow { more } => {
                self.credit = added(self.credit, more)?;
                self.unblock(woken);
            }
            Frame::Streams { kind, more } => {
                let limit = &mut self.may_open[kind as usize];
                *limit = added(*limit, more)
                    .ok()
                    .filter(|limit| *limit <= LARGEST >> 2)
                    .ok_or(Malformed("credit for more streams than there are numbers"))?;
                woken.queues[Queue::Open(kind).index()] = true;
            }
            Frame::Reset { id, code } => self.reset(id, code, woken)?,
            Frame::Stop { id, code } => self.stop(id, code, woken)?,
            Frame::Finished { id } => {
                let Some(stream) = self.find(id)? else { return Ok(()) };
                let half = stream.send.as_mut().ok_or(WRONG_WAY)?;
                if half.writing != Writing::Closed || half.last != Last::Said {
                    return Err(Malformed("a stream is said to have ended that has not"));
                }
                half.is_finished = true;
                woken.wakers.extend(half.stopper.take());
            }
            Frame::Ping => {
                self.pongs = true;
                woken.wakers.extend(self.driver.take());
            }
            Frame::Pong => {}
            Frame::Close(close) => {
                let error = match close {
                    Close::Application { code, reason } => {
                        let by = Initiator::Peer;
                        Error::new(ErrorKind::Application { code, reason, by })
                    }
                    Close::Violation => {
                        ErrorKind::Protocol { code: VIOLATION, by: Initiator::Peer }.into()
                    }
                    Close::Idle => ErrorKind::TimedOut.into(),
                };
                self.end(error, None, woken);
            }
        }
        Ok(())
    }

    /// The stream of this number, with those before it that the peer has opened by it; `None` when
    /// it is forgotten.
    fn find(&mut self, id: u64) -> Result<Option<&mut StreamState>, Malformed> {
        let (kind, number) = (kind(id), id >> 2);
        if self.is_own(id) {
            if number >= self.opened[kind as usize] {
                return Err(Malformed("a stream that this end has not opened"));
            }
        } else if number >= self.may_see[kind as usize] {
            return Err(Malformed("more streams than are allowed"));
        } else {
            while self.seen[kind as usize] <= number {
                self.see(self.seen[kind as usize] << 2 | id & 3);
                self.seen[kind as usize] += 1;
            }
        }
        Ok(self.streams.get_mut(&id))
    }

    fn data(
        &mut self,
        id: u64,
        data: bytes::Bytes,
        is_last: bool,
        woken: &mut Woken,
    ) -> Result<(), Malformed> {
        let length = data.len();
        let left = self.window.checked_sub(length as u64);
        self.window = left.ok_or(Malformed("more data than the connection's window"))?;
        let Some(stream) = self.find(id)? else {
            self.take(length, woken);
            return Ok(());
        };
        let half = stream.receive.as_mut().ok_or(WRONG_WAY)?;
        if half.last.is_some() {
            return Err(Malformed("data behind a stream's end"));
        }
        let left = half.window.checked_sub(length as u64);
        half.window = left.ok_or(Malformed("more data than the stream's window"))?;
        if is_last {
            half.last = Some(Heard::End);
            half.says_finished = true;
        }
        woken.wakers.extend(half.reader.take());
        if half.stopped.is_some() {
            self.take(length, woken);
        } else {
            half.pieces.push(data);
        }
        self.show(id, woken);
        self.settle(id, woken);
        Ok(())
    }

    fn reset(&mut self, id: u64, code: u64, woken: &mut Woken) -> Result<(), Malformed> {
        let Some(stream) = self.find(id)? else { return Ok(()) };
        let half = stream.receive.as_mut().ok_or(WRONG_WAY)?;
        if half.last.is_some() {
            return Err(Malformed("a reset behind a stream's end"));
        }
        half.last = Some(Heard::Reset(code));
        // What was under way is lost; whoever stopped it needs no answer.
        let lost = half.pieces.clear();
        woken.wakers.extend(half.reader.take());
        self.take(lost, woken);
        self.show(id, woken);
        self.settle(id, woken);
        Ok(())
    }

    fn stop(&mut self, id: u64, code: u64, woken: &mut Woken) -> Result<(), Malformed> {
        let Some(stream) = self.find(id)? else { return Ok(()) };
        let half = stream.send.as_mut().ok_or(WRONG_WAY)?;
        let is_over = half.is_finished || matches!(half.writing, Writing::Reset(_));
        if half.stop.is_some() || is_over {
            return Ok(());
        }
        half.stop = Some(code);
        if half.writing == Writing::Open {
            half.writing = Writing::Stopped(code);
        }
        let mut lost = 0;
        if half.last != Last::Said {
            lost = half.pieces.clear();
            half.last = Last::Reset(code);
        }
        woken.wakers.extend(half.writer.take());
        woken.wakers.extend(half.stopper.take());
        self.give_back(lost, woken);
        self.settle(id, woken);
        Ok(())
    }

    /// Bytes that were to be sent never will be: their credit is free again.
    pub(crate) fn give_back(&mut self, length: usize, woken: &mut Woken) {
        self.credit += length as u64;
        self.unhold(length, woken);
    }

    /// Something has come on a stream: so it is there to be accepted.
    fn show(&mut self, id: u64, woken: &mut Woken) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.is_shown {
            stream.is_shown = true;
            let kind: Kind = kind(id);
            self.unaccepted[kind as usize].push_back(id);
            woken.queues[Queue::Accept(kind).index()] = true;
        }
    }
}

const WRONG_WAY: Malformed = Malformed("a frame for the half that a stream does not have");

/// `credit` and `more` of it.
fn added(credit: u64, more: u64) -> Result<u64, Malformed> {
    let sum = credit.checked_add(more).filter(|sum| *sum <= LARGEST);
    sum.ok_or(Malformed("more credit than there are numbers"))
}
