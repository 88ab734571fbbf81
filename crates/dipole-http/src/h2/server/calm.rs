//! Clients that keep the server busy with frames that ask for nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::frames::{CONTINUATION, DATA, FrameHead, Frames, GOAWAY, HEADERS};
use crate::HttpService;
use crate::runtime::ConnIo;
use crate::server::{Excess, Exchanges};

/// So many frames a request's or response's frame makes up for: whoever transfers much has to
/// acknowledge much, and may measure the connection meanwhile.
const MADE_UP_FOR: u32 = 10;
/// RFC 9113 section 7.
const ENHANCE_YOUR_CALM: u32 = 11;

/// Counts a frame of the client.
fn count(excess: &mut Excess, head: FrameHead) {
    match head.kind {
        DATA | HEADERS if head.length > 0 || head.flags & 1 == 1 => excess.make_up(MADE_UP_FOR),
        // hyper bounds these by itself.
        CONTINUATION => {}
        _ => _ = excess.count(1),
    }
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Watched,
    /// The client has gone too far: what is queued is sent, and that is the end.
    Parting,
}

/// A connection for hyper that ends when the client sends too much that asks for nothing (PING,
/// SETTINGS, PRIORITY, WINDOW_UPDATE, empty and unknown frames): by GOAWAY with ENHANCE_YOUR_CALM.
pub(super) struct Calm<S> {
    io: ConnIo,
    exchanges: Exchanges<S>,
    incoming: Frames,
    outgoing: Frames,
    /// Of what asks for nothing, beyond what goes with requests.
    excess: Excess,
    /// The client's highest stream.
    last_stream: u32,
    state: State,
}

impl<S: HttpService> Calm<S> {
    pub(super) fn new(io: ConnIo, exchanges: Exchanges<S>) -> Self {
        let most = exchanges.config().http2.max_control_frames;
        Self {
            io,
            exchanges,
            incoming: Frames::of_client(),
            outgoing: Frames::of_server(),
            excess: Excess::new(most),
            last_stream: 0,
            state: State::Watched,
        }
    }

    fn part(&mut self) {
        self.state = State::Parting;
        self.exchanges.count_rejected();
        // In the midst of a frame there is no place for another one.
        if self.outgoing.is_between() {
            self.io.conn_mut().write_binary(goaway(self.last_stream).into());
        }
    }
}

// Nothing here is pinned, and the service is only kept.
impl<S> Unpin for Calm<S> {}

/// RFC 9113 section 6.8.
fn goaway(last_stream: u32) -> Vec<u8> {
    const WHY: &[u8] = b"too many frames that ask for nothing";
    let length = (8 + WHY.len()) as u8;
    let head = [0, 0, length, GOAWAY, 0, 0, 0, 0, 0];
    [&head[..], &last_stream.to_be_bytes(), &ENHANCE_YOUR_CALM.to_be_bytes(), WHY].concat()
}

impl<S: HttpService> Read for Calm<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state == State::Watched {
            match ready!(this.io.conn_mut().poll_fill(cx, 1)) {
                Ok(()) => {}
                Err(error) if error.is_eof() => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            let held = this.io.conn_mut().buffered();
            // What the read below gives to hyper.
            let given = &held[..held.len().min(buffer.remaining())];
            let (excess, last_stream) = (&mut this.excess, &mut this.last_stream);
            this.incoming.pass(given, |head| {
                count(excess, head);
                if head.kind == HEADERS {
                    *last_stream = (*last_stream).max(head.stream);
                }
            });
            if !this.excess.is_too_much() {
                return Read::poll_read(Pin::new(&mut this.io), cx, buffer);
            }
            this.part();
        }
        ready!(Write::poll_flush(Pin::new(&mut this.io), cx))?;
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the client sends too much")))
    }
}

impl<S: HttpService> Write for Calm<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = ready!(Write::poll_write(Pin::new(&mut this.io), cx, data))?;
        let excess = &mut this.excess;
        this.outgoing.pass(&data[..written], |head| {
            if matches!(head.kind, DATA | HEADERS) {
                excess.make_up(MADE_UP_FOR);
            }
        });
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_flush(Pin::new(&mut self.io), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Write::poll_shutdown(Pin::new(&mut self.io), cx)
    }
}
