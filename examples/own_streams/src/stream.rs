//! One stream: what its two halves have done at this end.

use std::task::Waker;

use crate::pieces::Pieces;

/// A stream that is not forgotten yet.
#[derive(Debug)]
pub(crate) struct StreamState {
    pub(crate) send: Option<Sending>,
    pub(crate) receive: Option<Receiving>,
    /// Something has come on it, so that it is there to be accepted.
    pub(crate) is_shown: bool,
    /// It has been accepted, or this end has opened it.
    pub(crate) is_taken: bool,
    /// Its opener has its credit back.
    pub(crate) is_returned: bool,
    /// It is in the queue of those that have something to say.
    pub(crate) is_queued: bool,
}

/// To the peer.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Taken from the writer, not given to the connection yet.
    pub(crate) pieces: Pieces,
    /// The credit that is left, in bytes; what is in `pieces` has taken its own.
    pub(crate) credit: u64,
    pub(crate) writing: Writing,
    /// What comes behind the data.
    pub(crate) last: Last,
    /// The peer has it to its end.
    pub(crate) is_finished: bool,
    pub(crate) is_dropped: bool,
    /// The peer wants no more.
    pub(crate) stop: Option<u64>,
    pub(crate) writer: Option<Waker>,
    pub(crate) stopper: Option<Waker>,
}

/// What the writer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Open,
    Closed,
    /// Broken off here.
    Reset(u64),
    Stopped(u64),
}

/// The last word on a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    NotYet,
    End,
    Reset(u64),
    /// It has been said.
    Said,
}

/// From the peer.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) pieces: Pieces,
    /// What the peer may still send, in bytes.
    pub(crate) window: u64,
    /// What the reader has taken, for which the peer gets credit again, in bytes.
    pub(crate) taken: u64,
    pub(crate) last: Option<Heard>,
    /// This end wants no more.
    pub(crate) stopped: Option<u64>,
    /// That is to be said.
    pub(crate) says_stop: bool,
    /// That it came to its end is to be said.
    pub(crate) says_finished: bool,
    pub(crate) is_dropped: bool,
    pub(crate) reader: Option<Waker>,
}

/// How the peer has ended its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    End,
    Reset(u64),
}

impl Sending {
    pub(crate) fn new(credit: u64) -> Self {
        Self {
            pieces: Pieces::default(),
            credit,
            writing: Writing::Open,
            last: Last::NotYet,
            is_finished: false,
            is_dropped: false,
            stop: None,
            writer: None,
            stopper: None,
        }
    }

    fn has_something_to_say(&self) -> bool {
        !self.pieces.is_empty() || matches!(self.last, Last::End | Last::Reset(_))
    }
}

impl Receiving {
    pub(crate) fn new(window: u64) -> Self {
        Self {
            pieces: Pieces::default(),
            window,
            taken: 0,
            last: None,
            stopped: None,
            says_stop: false,
            says_finished: false,
            is_dropped: false,
            reader: None,
        }
    }

    /// Nothing more comes, and all of it has been read or given up.
    fn is_over(&self) -> bool {
        self.last.is_some() && self.pieces.is_empty()
    }

    /// Enough has been read for a word about credit.
    pub(crate) fn returns(&self, window: u64) -> bool {
        self.last.is_none() && self.stopped.is_none() && self.taken >= (window / 2).max(1)
    }
}

impl StreamState {
    /// Of a stream of this end's, or of the peer's.
    pub(crate) fn new(send: Option<Sending>, receive: Option<Receiving>, is_taken: bool) -> Self {
        let (is_shown, is_returned, is_queued) = (is_taken, is_taken, false);
        Self { send, receive, is_shown, is_taken, is_returned, is_queued }
    }

    /// Both directions are over.
    pub(crate) fn is_over(&self) -> bool {
        let sent = self.send.as_ref().is_none_or(|send| send.last == Last::Said);
        sent && self.receive.as_ref().is_none_or(Receiving::is_over)
    }

    /// Nobody asks for it any more, and nothing of it is to be said.
    pub(crate) fn is_forgotten(&self) -> bool {
        let send = self.send.as_ref().is_none_or(|send| send.is_dropped);
        let receive = self
            .receive
            .as_ref()
            .is_none_or(|half| half.is_dropped && !half.says_stop && !half.says_finished);
        self.is_over() && self.is_returned && send && receive
    }

    /// There is a frame to send, under this window.
    pub(crate) fn has_something_to_say(&self, window: u64) -> bool {
        let received = self
            .receive
            .as_ref()
            .is_some_and(|half| half.says_stop || half.says_finished || half.returns(window));
        received || self.send.as_ref().is_some_and(Sending::has_something_to_say)
    }

    /// Everybody who waits on it.
    pub(crate) fn wakers(&mut self) -> impl Iterator<Item = Waker> {
        let send = self.send.as_mut().map(|half| [half.writer.take(), half.stopper.take()]);
        let reader = self.receive.as_mut().and_then(|half| half.reader.take());
        send.into_iter().flatten().chain([reader]).flatten()
    }
}
