//! What goes to the peer.

use bytes::Bytes;

use crate::frame::{Frame, Kind, LONGEST};
use crate::state::{State, Woken};
use crate::stream::Last;

impl State {
    /// The next frame, while the connection lives; `None` when there is nothing to say.
    pub(crate) fn next(&mut self, woken: &mut Woken) -> Option<Frame> {
        if self.ended.is_some() {
            return None;
        }
        if std::mem::take(&mut self.pongs) {
            return Some(Frame::Pong);
        }
        if std::mem::take(&mut self.pings) {
            return Some(Frame::Ping);
        }
        if self.returns() {
            let more = std::mem::take(&mut self.taken);
            self.window += more;
            return Some(Frame::ConnectionWindow { more });
        }
        for kind in [Kind::Bidi, Kind::Uni] {
            let more = std::mem::take(&mut self.returned[kind as usize]);
            if more > 0 {
                self.may_see[kind as usize] += more;
                return Some(Frame::Streams { kind, more });
            }
        }
        while let Some(id) = self.speakers.pop_front() {
            let frame = self.next_of(id, woken);
            // It gets another turn behind the others, if it has more to say.
            self.settle(id, woken);
            if frame.is_some() {
                return frame;
            }
        }
        None
    }

    fn next_of(&mut self, id: u64, woken: &mut Woken) -> Option<Frame> {
        let window = u64::from(self.own.stream_window);
        let stream = self.streams.get_mut(&id)?;
        stream.is_queued = false;
        if let Some(half) = &mut stream.receive {
            if std::mem::take(&mut half.says_stop) {
                let code = half.stopped.unwrap_or(0);
                return Some(Frame::Stop { id, code });
            }
            if std::mem::take(&mut half.says_finished) {
                return Some(Frame::Finished { id });
            }
            if half.returns(window) {
                let more = std::mem::take(&mut half.taken);
                half.window += more;
                return Some(Frame::Window { id, more });
            }
        }
        let half = stream.send.as_mut()?;
        if let Last::Reset(code) = half.last {
            half.last = Last::Said;
            return Some(Frame::Reset { id, code });
        }
        let data = half.pieces.pop(LONGEST);
        let is_last = half.last == Last::End && half.pieces.is_empty();
        if is_last {
            half.last = Last::Said;
        }
        self.unhold(data.len(), woken);
        (is_last || !data.is_empty()).then_some(Frame::Data { id, data, is_last })
    }

    /// The connection's last frame, once it has ended; given once.
    pub(crate) fn last_word(&mut self) -> Option<Frame> {
        self.farewell.take().map(Frame::Close)
    }
}

/// A reason that is not too long to send.
pub(crate) fn cut(reason: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&reason[..reason.len().min(crate::frame::LONGEST_REASON)])
}
