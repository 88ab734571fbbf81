//! Clients that keep the server busy with what asks for nothing, or is not waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use dipole_net::StreamConn;

use crate::h3::codec::code;
use crate::server::{Excess, Exchanges};

/// So many frames a whole answer makes up for: browsers send some with each request.
const FRAMES_MADE_UP_FOR: u32 = 10;

/// Counts over all streams of a connection, and closes it with `H3_EXCESSIVE_LOAD` (RFC 9114
/// section 10.5) when a client goes too far.
pub(super) struct Calm {
    conn: Arc<dyn StreamConn>,
    connection: Exchanges<()>,
    counts: Mutex<Counts>,
}

struct Counts {
    /// Frames and streams that ask for nothing.
    frames: Excess,
    /// Requests that were broken off before their answer was whole.
    resets: Excess,
}

impl Calm {
    pub(super) fn new(conn: Arc<dyn StreamConn>, connection: Exchanges<()>) -> Self {
        let config = &connection.config().http3;
        let frames = Excess::new(config.max_control_frames);
        let resets = Excess::new(config.max_resets);
        Self { conn, connection, counts: Mutex::new(Counts { frames, resets }) }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count_frames(&self, frames: u32) {
        if frames > 0 && self.lock().frames.count(frames).is_too_much() {
            self.close("too many frames that ask for nothing");
        }
    }

    /// The client has broken a request off.
    pub(super) fn count_reset(&self) {
        if self.lock().resets.count(1).is_too_much() {
            self.close("too many requests that are broken off");
        }
    }

    /// A request was answered, and the client has taken the answer.
    pub(super) fn count_answer(&self) {
        let mut counts = self.lock();
        counts.frames.make_up(FRAMES_MADE_UP_FOR);
        counts.resets.make_up(1);
    }

    fn close(&self, why: &str) {
        let mut closed = self.conn.closed();
        if closed.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            // Its end has broken off what was under way.
            return;
        }
        self.connection.count_rejected();
        self.conn.close_with_error(code::EXCESSIVE_LOAD, why.as_bytes());
    }
}
