//! Why a connection ends before its time, and what the client is told.

use dipole_net::Error;
use http::StatusCode;

use super::After;
use super::connection::{Connection, Stage};
use super::hand_over::Successor;
use crate::h1::codec::reject::{Reject, canned};
use crate::server::Reached;

/// Why a connection ends before its time.
#[derive(Debug)]
pub(super) enum Stop {
    /// The client has closed or reset the connection.
    ClientGone(Error),
    /// It broke the rules of HTTP.
    Rejected(Reject),
    /// A request's body is larger than this many bytes.
    BodyTooLarge(u64),
    /// Something took too long.
    TimedOut(Timeout),
    /// The handler panicked before its response.
    Panicked,
    /// The service gave an error instead of a response, or a response that cannot be sent.
    Failed,
    /// Another protocol serves the request that was found, and what follows.
    Succeeded(Successor),
    /// A response that had begun could not be brought to its end.
    CutShort,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timeout {
    /// A request's head.
    Head,
    /// A piece of a request's body.
    Body,
    /// The handler.
    Handler,
    /// The client's taking of an answer.
    Write,
    /// A next request.
    Idle,
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Self {
        Self::Rejected(reject)
    }
}

impl Connection {
    /// Counts the reason, queues the answer that says it where one can be given, and says how the
    /// connection ends. `reached` is whether a handler was dropped for it.
    pub(super) fn stop(&mut self, stop: Stop, mut reached: Reached) -> After {
        let counters = &self.worker.counters;
        let (status, text) = match stop {
            // A client that has ended its side alone reads what earlier requests were answered.
            Stop::ClientGone(error)
                if error.is_eof() && self.conn.queued() > 0 && self.stage != Stage::Responding =>
            {
                return After::Linger;
            }
            Stop::ClientGone(_) => return After::Close,
            Stop::Succeeded(successor) => return After::PassOn(successor),
            Stop::TimedOut(Timeout::Idle) => {
                counters.timed_out.add_one();
                return After::Close;
            }
            Stop::CutShort | Stop::TimedOut(Timeout::Write) => {
                // An orderly end could pass for the end of the answer.
                if matches!(stop, Stop::TimedOut(_)) {
                    counters.timed_out.add_one();
                }
                self.conn.reset();
                return After::Close;
            }
            Stop::Rejected(reject) => {
                counters.rejected.add_one();
                (reject.status(), reject.text())
            }
            Stop::BodyTooLarge(_) => {
                counters.rejected.add_one();
                (StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large")
            }
            Stop::TimedOut(Timeout::Handler) => {
                counters.timed_out.add_one();
                (StatusCode::SERVICE_UNAVAILABLE, "the request took too long")
            }
            Stop::TimedOut(Timeout::Head | Timeout::Body) => {
                counters.timed_out.add_one();
                (StatusCode::REQUEST_TIMEOUT, "the request came too slowly")
            }
            Stop::Panicked => {
                counters.panics.add_one();
                reached = Reached::Service;
                (StatusCode::INTERNAL_SERVER_ERROR, "the request could not be handled")
            }
            Stop::Failed => {
                reached = Reached::Service;
                (StatusCode::INTERNAL_SERVER_ERROR, "the request could not be handled")
            }
        };
        self.worker.hooks.tell_own_answer((status, text), reached, self.info.as_ref());
        let now = self.now();
        let date = self.worker.date(now);
        self.conn.write_binary(canned(status, text, Some(&date)).into());
        After::Linger
    }
}
