//! A message as it comes on its stream, of either end: heads, data and trailers.

use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_net::{BoxReceive, Error};
use http::HeaderMap;
use http_body::Frame as BodyFrame;

use super::codec::fields::{self, SectionFault};
use super::codec::frames::{self, Frame, FrameFault, FrameReader};
use super::codec::{code, request};

/// The receiving half of a request's stream. It reads when it is asked, so that flow control
/// follows whoever takes the message, and holds one piece of the network's at most.
pub(crate) struct Reading {
    receive: BoxReceive,
    reader: FrameReader,
    /// Of the peer, not looked at yet.
    held: Bytes,
    state: State,
    /// What `content-length` still promises, in bytes.
    left: Option<u64>,
    longest_section: usize,
    /// What the peer is told when this is dropped before its end.
    drop_code: u64,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.cancel(self.drop_code);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Body,
    /// The trailers are read.
    Trailed,
    Over,
}

/// Why a message cannot be read on.
#[derive(Debug, Clone)]
pub(crate) enum ReadFault {
    /// The frames are broken.
    Frames(FrameFault),
    /// The fields are.
    Section(SectionFault),
    /// A frame of this type, which has no place there.
    Unexpected(u64),
    /// More data than `content-length` says (RFC 9114 section 4.1.2).
    Longer,
    /// Less.
    Shorter,
    /// The peer has broken the stream off, or the connection has ended.
    Network(Error),
}

/// What a fault ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The whole connection, with this code.
    Connection(u64),
    /// The message alone, with this code.
    Message(u64),
    /// Nothing that is not over already.
    Nothing,
}

impl Reading {
    /// Frames that have to be held whole, and sections, are `longest_section` bytes at most. The peer
    /// is told `drop_code` when this is dropped before the end.
    pub(crate) fn new(receive: BoxReceive, longest_section: usize, drop_code: u64) -> Self {
        Self {
            receive,
            reader: FrameReader::new(longest_section),
            held: Bytes::new(),
            state: State::Body,
            left: None,
            longest_section,
            drop_code,
        }
    }

    /// The next frame, whatever it is; `None` at the end of the stream.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame>, ReadFault>> {
        loop {
            match self.reader.next(&mut self.held) {
                Ok(None) => {}
                Ok(frame) => return Poll::Ready(Ok(frame)),
                Err(fault) => return Poll::Ready(Err(ReadFault::Frames(fault))),
            }
            match std::task::ready!(self.receive.poll_read(cx)) {
                Ok(Some(bytes)) => self.held = bytes,
                Ok(None) => {
                    let end = self.reader.end().map(|()| None);
                    return Poll::Ready(end.map_err(ReadFault::Frames));
                }
                Err(error) => return Poll::Ready(Err(ReadFault::Network(error))),
            }
        }
    }

    /// What the head says of the body's length, in bytes.
    pub(crate) fn promise(&mut self, content_length: Option<u64>) {
        self.left = content_length;
    }

    /// What is still promised, in bytes.
    pub(crate) fn left(&self) -> Option<u64> {
        self.left
    }

    /// The next piece of the body, or its trailers; `None` once it has ended as it should. After a
    /// fault too it is over.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<BodyFrame<Bytes>>, ReadFault>> {
        if self.state == State::Over {
            return Poll::Ready(Ok(None));
        }
        let Poll::Ready(frame) = self.poll_frame(cx) else { return Poll::Pending };
        let taken = frame.and_then(|frame| self.take(frame));
        if !matches!(taken, Ok(Some(_))) {
            self.state = State::Over;
        }
        Poll::Ready(taken)
    }

    fn take(&mut self, frame: Option<Frame>) -> Result<Option<BodyFrame<Bytes>>, ReadFault> {
        match frame {
            Some(Frame::Data(data)) if self.state == State::Body => {
                if let Some(left) = &mut self.left {
                    *left = left.checked_sub(data.len() as u64).ok_or(ReadFault::Longer)?;
                }
                Ok(Some(BodyFrame::data(data)))
            }
            Some(Frame::Other { kind: frames::HEADERS, payload }) if self.state == State::Body => {
                self.state = State::Trailed;
                self.kept()?;
                let trailers = trailers(&payload, self.longest_section);
                trailers.map(|trailers| Some(BodyFrame::trailers(trailers))).map_err(Into::into)
            }
            Some(Frame::Data(_)) => Err(ReadFault::Unexpected(frames::DATA)),
            Some(Frame::Other { kind, .. }) => Err(ReadFault::Unexpected(kind)),
            None => self.kept().map(|()| None),
        }
    }

    /// The data has ended.
    fn kept(&self) -> Result<(), ReadFault> {
        match self.left {
            None | Some(0) => Ok(()),
            Some(_) => Err(ReadFault::Shorter),
        }
    }

    /// True where the stream has ended behind what was read, which is looked at without waiting.
    pub(crate) fn has_ended(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.held.is_empty() || !self.reader.is_between() {
            return false;
        }
        match self.receive.poll_read(cx) {
            Poll::Ready(Ok(None)) => true,
            Poll::Ready(Ok(Some(bytes))) => {
                self.held = bytes;
                false
            }
            // What is wrong, whoever reads on sees again.
            Poll::Ready(Err(_)) | Poll::Pending => false,
        }
    }

    /// The body has ended, or failed.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub(crate) fn is_early_data(&self) -> bool {
        self.receive.is_early_data()
    }

    /// Frames that came and said nothing, since this was last asked.
    pub(crate) fn take_passed(&mut self) -> u32 {
        self.reader.take_passed()
    }

    /// Whatever comes, without a look at it; for what is thrown away. `None` at the end.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        self.state = State::Over;
        let held = std::mem::take(&mut self.held).len();
        if held > 0 {
            return Poll::Ready(Some(held));
        }
        match std::task::ready!(self.receive.poll_read(cx)) {
            Ok(Some(bytes)) => Poll::Ready(Some(bytes.len())),
            Ok(None) | Err(_) => Poll::Ready(None),
        }
    }

    /// Asks the peer to send no more. After the end it does nothing.
    pub(crate) fn cancel(&mut self, code: u64) {
        self.receive.cancel_read(code);
    }
}

/// RFC 9114 4.3: trailers have no pseudo fields.
fn trailers(payload: &[u8], limit: usize) -> Result<HeaderMap, SectionFault> {
    let section = fields::decode(payload, limit)?;
    if !section.pseudo.is_empty() {
        return Err(SectionFault::Malformed);
    }
    request::check_fields(&section.fields)?;
    Ok(section.fields)
}

impl ReadFault {
    /// What it ends, as the end sees it that reads a message.
    pub(crate) fn ends(&self) -> Ends {
        match self {
            Self::Frames(fault) => Ends::Connection(fault.code()),
            Self::Section(SectionFault::Undecodable) => {
                Ends::Connection(code::DECOMPRESSION_FAILED)
            }
            Self::Section(SectionFault::TooLarge) => Ends::Message(code::EXCESSIVE_LOAD),
            Self::Section(SectionFault::Malformed | SectionFault::UnknownProtocol)
            | Self::Longer
            | Self::Shorter => Ends::Message(code::MESSAGE_ERROR),
            Self::Unexpected(_) => Ends::Connection(code::FRAME_UNEXPECTED),
            Self::Network(_) => Ends::Nothing,
        }
    }

    pub(crate) fn text(&self) -> &'static str {
        match self {
            Self::Frames(fault) => fault.text(),
            Self::Section(SectionFault::Undecodable) => "fields that cannot be decoded",
            Self::Section(SectionFault::TooLarge) => "the fields are too large",
            Self::Section(_) => "the fields are malformed",
            Self::Unexpected(_) => "a frame that has no place in a message",
            Self::Longer => "the body is longer than it said",
            Self::Shorter => "the body is shorter than it said",
            Self::Network(_) => "the stream was broken off",
        }
    }
}

impl From<SectionFault> for ReadFault {
    fn from(fault: SectionFault) -> Self {
        Self::Section(fault)
    }
}
