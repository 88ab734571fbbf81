//! Operations, and what each owns until the kernel has let go of it.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use dipole_io::Pieces;
use socket2::SockAddr;

use super::buffers::Segment;
use super::kernel::{Copying, Kernel, Submission};

/// The most pieces that one send takes (`IOV_MAX`).
const MOST_PIECES: usize = 1024;

/// What the ring is asked to do. It owns everything that the kernel will touch.
pub(crate) enum Operation<D> {
    /// Accepts until cancelled.
    AcceptMany(Arc<D>),
    /// Receives into the ring's buffers until cancelled, or none is left.
    ReceiveMany(Arc<D>),
    /// Sends all of it.
    Send(Arc<D>, Payload, Copying),
    /// Connects to an address, which stays where it is when this moves.
    Connect(Arc<D>, Box<SockAddr>),
}

/// What an operation is, without what it owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    AcceptMany,
    ReceiveMany,
    Send,
    /// The kernel reports its bytes before it has let go of them.
    SendZeroCopy,
    Connect,
}

/// What became of an operation; the last one of an operation is final.
pub(crate) enum Event<D> {
    /// One connection.
    Accepted(io::Result<D>),
    /// Some bytes of [`Operation::ReceiveMany`]; the peer's end is none.
    Received(io::Result<Option<Segment>>),
    /// How many bytes were taken, and what was not. With an error the rest is empty.
    Sent(io::Result<usize>, Payload),
    /// A zero-copy send's memory is free; `copied` when the kernel has copied after all.
    Freed { copied: bool, payload: Payload },
    /// Connected, or not.
    Connected(io::Result<()>),
}

/// Bytes to send, in pieces.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub(crate) pieces: Pieces,
    /// Sent after the pieces.
    pub(crate) tail: BytesMut,
}

impl Payload {
    /// All that is to be sent, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().flat_map(|pieces| pieces.iter()).map(Bytes::len).sum::<usize>()
            + self.tail.len()
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let pieces = self.pieces.iter().flat_map(|pieces| pieces.iter()).map(|piece| &piece[..]);
        pieces.chain([&self.tail[..]]).filter(|piece| !piece.is_empty())
    }

    fn advance(&mut self, mut n: usize) {
        if let Some(pieces) = &mut self.pieces {
            while let Some(first) = pieces.front_mut() {
                if n < first.len() {
                    return first.advance(n);
                }
                n -= first.len();
                pieces.pop_front();
            }
            self.pieces = None;
        }
        if n == self.tail.len() {
            // Unlike `advance` this leaves the buffer whole.
            self.tail.clear();
        } else {
            self.tail.advance(n);
        }
    }
}

/// An operation that the kernel knows, or soon will: pinned down, with its pointers.
pub(super) struct Running<D> {
    pub(super) operation: Operation<D>,
    /// Of a send in several pieces, where it stays when this moves.
    message: Option<Box<Message>>,
}

/// What a send in several pieces points to.
struct Message {
    header: libc::msghdr,
    /// What the header points to.
    _vectors: Vec<libc::iovec>,
}

// SAFETY: the pointers in `message` are to itself and to memory that `operation` owns, and are
// followed by the kernel alone.
unsafe impl<D: Send + Sync> Send for Running<D> {}

impl<D> Running<D> {
    pub(super) fn new(operation: Operation<D>) -> Self {
        Self { operation, message: None }
    }

    /// What the kernel is told. The pointers in it are valid as long as this value is kept, wherever
    /// it is moved.
    pub(super) fn submission<K: Kernel<Descriptor = D>>(&mut self) -> Submission {
        match &mut self.operation {
            Operation::AcceptMany(of) => Submission::AcceptMany { descriptor: K::number(of) },
            Operation::ReceiveMany(of) => Submission::ReceiveMany { descriptor: K::number(of) },
            Operation::Send(of, payload, copying) => {
                let (descriptor, copying) = (K::number(of), *copying);
                let send = |piece: &[u8]| {
                    let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
                    Submission::Send { descriptor, from: piece.as_ptr(), length, copying }
                };
                if payload.pieces.is_none() {
                    return send(&payload.tail);
                }
                let mut slices = payload.slices().take(MOST_PIECES);
                let first = slices.next().unwrap_or(&[]);
                let Some(second) = slices.next() else { return send(first) };
                let slices = [first, second].into_iter().chain(slices);
                let mut vectors: Vec<_> = slices
                    .map(|piece| libc::iovec {
                        iov_base: piece.as_ptr().cast_mut().cast(),
                        iov_len: piece.len(),
                    })
                    .collect();
                // SAFETY: a `msghdr` of zeros is a valid one: no address, no pieces, no control.
                let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
                header.msg_iov = vectors.as_mut_ptr();
                header.msg_iovlen = vectors.len() as _;
                let message = self.message.insert(Box::new(Message { header, _vectors: vectors }));
                let message = &raw const message.header;
                Submission::SendMessage { descriptor, message, copying }
            }
            Operation::Connect(of, address) => Submission::Connect {
                descriptor: K::number(of),
                address: address.as_ptr().cast(),
                length: address.len(),
            },
        }
    }
}

impl<D> Operation<D> {
    /// What a final completion makes of it. Nobody but us has its memory any more.
    pub(super) fn end(self, result: i32) -> Event<D> {
        let outcome = outcome(result);
        match self {
            Self::AcceptMany(_) => {
                Event::Accepted(Err(outcome.err().unwrap_or(io::ErrorKind::Other.into())))
            }
            Self::ReceiveMany(_) => Event::Received(outcome.map(|_| None)),
            Self::Send(_, mut payload, _) => match outcome {
                Ok(n) => {
                    payload.advance(n);
                    Event::Sent(Ok(n), payload)
                }
                Err(error) => Event::Sent(Err(error), Payload::default()),
            },
            Self::Connect(..) => Event::Connected(outcome.map(drop)),
        }
    }
}

impl<D> Operation<D> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::AcceptMany(_) => Kind::AcceptMany,
            Self::ReceiveMany(_) => Kind::ReceiveMany,
            Self::Send(_, _, Copying::Yes) => Kind::Send,
            Self::Send(_, _, Copying::No) => Kind::SendZeroCopy,
            Self::Connect(..) => Kind::Connect,
        }
    }

    /// What the last completion of a zero-copy send makes of it.
    pub(super) fn freed(self, result: i32) -> Event<D> {
        let payload = match self {
            Self::Send(_, payload, _) => payload,
            _ => Payload::default(),
        };
        Event::Freed { copied: result < 0, payload }
    }

    /// The result of a zero-copy send, whose memory the kernel still holds. What it did not take
    /// is given as further handles of the same bytes.
    pub(super) fn sent(&self, result: i32) -> Event<D> {
        let outcome = outcome(result);
        let mut rest = Payload::default();
        if let (Ok(n), Self::Send(_, payload, _)) = (&outcome, self) {
            // Zero-copy payloads have no tail: `Ring::start` has seen to it.
            rest.pieces.clone_from(&payload.pieces);
            rest.advance(*n);
        }
        Event::Sent(outcome, rest)
    }
}

impl Kind {
    /// A completion that has no meaning for such an operation and is not its last.
    pub(super) fn unexpected<D>(self, result: i32) -> Event<D> {
        let error = outcome(result).err().unwrap_or(io::ErrorKind::Other.into());
        match self {
            Self::AcceptMany => Event::Accepted(Err(error)),
            _ => Event::Received(Err(error)),
        }
    }
}

fn outcome(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}
