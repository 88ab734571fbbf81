//! Streams on which nothing has come yet.

use std::task::{Context, Poll};

/// A stream of the peer's that can tell when something comes on it.
pub trait Arriving {
    /// Ready when the stream has data, its end or a reset, which is kept for its reader.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A stream with what goes with it, such as its sending half.
impl<W, S: Arriving> Arriving for (W, S) {
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.1.poll_first(cx)
    }
}

/// The peer's streams that have been opened and not been used.
///
/// A peer that uses a stream has opened all streams of lower numbers with it (RFC 9000 section
/// 2.1), and libraries give these as well. Here they wait until something comes on them (S7); at
/// most as many as the peer may open.
#[derive(Debug)]
pub struct Silent<S> {
    streams: Vec<S>,
}

impl<S: Arriving> Silent<S> {
    /// Takes one more, and keeps it while nothing comes on it: ready with the stream when something
    /// has come already, as on most.
    pub fn poll_push(&mut self, mut stream: S, cx: &mut Context<'_>) -> Poll<S> {
        match stream.poll_first(cx) {
            Poll::Ready(()) => Poll::Ready(stream),
            Poll::Pending => {
                self.streams.push(stream);
                Poll::Pending
            }
        }
    }

    /// The first on which something has come.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<S> {
        let mut ready = self.streams.iter_mut().map(|stream| stream.poll_first(cx).is_ready());
        match ready.position(|is_ready| is_ready) {
            Some(index) => {
                let stream = self.streams.remove(index);
                if self.streams.is_empty() {
                    // An idle connection holds no room for them.
                    self.streams = Vec::new();
                }
                Poll::Ready(stream)
            }
            None => Poll::Pending,
        }
    }
}

impl<S> Default for Silent<S> {
    fn default() -> Self {
        Self { streams: Vec::new() }
    }
}
