//! The way of a request's body from its connection to whoever reads it.
//!
//! One piece at a time, and only when the reader asks: so a slow reader slows the peer down, and
//! nothing is held ahead.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::BodyError;

/// A body of this size (`None`: not known ahead), as its two ends.
pub(crate) fn upload(size: Option<u64>) -> (Upload, UploadBody) {
    let shared = Arc::new(Mutex::new(State::default()));
    (Upload { shared: Arc::clone(&shared) }, UploadBody { shared, size, is_over: false })
}

#[derive(Default)]
struct State {
    piece: Piece,
    /// Set by the connection, seen by the reader once the last piece is taken.
    end: Option<Result<(), BodyError>>,
    is_reader_gone: bool,
    reader: Option<Waker>,
    connection: Option<Waker>,
}

#[derive(Default)]
enum Piece {
    #[default]
    NotWanted,
    Wanted,
    Here(Frame<Bytes>),
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers a task, without a new handle when it is the one already known.
fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(known) => known.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

/// The connection's end.
pub(crate) struct Upload {
    shared: Arc<Mutex<State>>,
}

/// What the reader asks of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// The next piece.
    Piece,
    /// Nothing for now; the connection is woken when that changes.
    Nothing,
    /// Nothing ever: the reader has dropped the body.
    Gone,
}

impl Upload {
    pub(crate) fn poll_demand(&self, cx: &Context<'_>) -> Demand {
        let mut state = lock(&self.shared);
        if state.is_reader_gone {
            return Demand::Gone;
        }
        if matches!(state.piece, Piece::Wanted) {
            return Demand::Piece;
        }
        remember(&mut state.connection, cx);
        Demand::Nothing
    }

    /// To be called before what runs in this task is polled. A reader in it that still wants a
    /// piece asks again, and one that has given up waiting does not; readers elsewhere keep their
    /// demand, for they are polled at other times.
    pub(crate) fn renew_demand(&self, cx: &Context<'_>) {
        let mut state = lock(&self.shared);
        if matches!(state.piece, Piece::Wanted)
            && state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker()))
        {
            state.piece = Piece::NotWanted;
        }
    }

    pub(crate) fn is_reader_gone(&self) -> bool {
        lock(&self.shared).is_reader_gone
    }

    /// Answers a demand.
    pub(crate) fn give(&self, piece: Frame<Bytes>, cx: &Context<'_>) {
        let mut state = lock(&self.shared);
        state.piece = Piece::Here(piece);
        wake(state, cx);
    }

    /// Says that no more pieces come: the body has ended well, or not.
    pub(crate) fn end(&self, end: Result<(), BodyError>, cx: &Context<'_>) {
        let mut state = lock(&self.shared);
        state.end.get_or_insert(end);
        wake(state, cx);
    }
}

/// Wakes the reader, unless it runs in the connection's own task, which polls it again anyway.
fn wake(mut state: MutexGuard<'_, State>, cx: &Context<'_>) {
    let reader = state.reader.take().filter(|reader| !reader.will_wake(cx.waker()));
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Drop for Upload {
    /// A connection that ends in the middle of a body.
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.end.get_or_insert(Err(BodyError::Cancelled));
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The reader's end.
pub(crate) struct UploadBody {
    shared: Arc<Mutex<State>>,
    /// What is still to come, in bytes, where that is known.
    size: Option<u64>,
    is_over: bool,
}

impl HttpBody for UploadBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let mut state = lock(&this.shared);
        if let Piece::Here(frame) = std::mem::take(&mut state.piece) {
            if let (Some(size), Some(data)) = (&mut this.size, frame.data_ref()) {
                *size = size.saturating_sub(data.len() as u64);
            }
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(end) = &state.end {
            this.is_over = true;
            return Poll::Ready(end.clone().err().map(Err));
        }
        state.piece = Piece::Wanted;
        remember(&mut state.reader, cx);
        let connection = state.connection.take().filter(|waker| !waker.will_wake(cx.waker()));
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.size == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for UploadBody {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        state.is_reader_gone = true;
        state.piece = Piece::NotWanted;
        let connection = state.connection.take();
        drop(state);
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}
