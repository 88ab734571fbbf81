//! Frames: what the two ends say to each other over the byte stream.
//!
//! A frame is a header of 16 bytes and a payload: the type (1 byte), flags (1), two bytes of zero,
//! the payload's length (4), the stream's number (8, zero where the frame is about the connection);
//! all in network byte order. Bytes in, bytes out: nothing here waits.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The length of a header, in bytes.
pub(crate) const HEADER: usize = 16;
/// The longest payload, in bytes; so much is held at most before a frame is looked at.
pub(crate) const LONGEST: usize = 16 * 1024;
/// The longest reason of a close that is sent, in bytes.
pub(crate) const LONGEST_REASON: usize = 1024;
/// Codes and credit are below this, as in QUIC (RFC 9000 section 16).
pub(crate) const LARGEST: u64 = (1 << 62) - 1;

/// What one end says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The first frame of each end: what it allows the other one.
    Hello(Hello),
    /// Bytes of a stream, and perhaps its end behind them.
    Data { id: u64, data: Bytes, is_last: bool },
    /// Credit for a stream: the receiver takes so many bytes more.
    Window { id: u64, more: u64 },
    /// Credit for all streams together.
    ConnectionWindow { more: u64 },
    /// Credit for opening streams.
    Streams { kind: Kind, more: u64 },
    /// The sender breaks a stream off.
    Reset { id: u64, code: u64 },
    /// The receiver wants no more of a stream.
    Stop { id: u64, code: u64 },
    /// The receiver has a stream to its end.
    Finished { id: u64 },
    /// Asks for a `Pong`.
    Ping,
    /// Answers a `Ping`.
    Pong,
    /// The connection's end.
    Close(Close),
}

/// What one end allows the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Streams of each kind that may be open at once.
    pub(crate) streams: [u32; 2],
    /// Bytes under way on one stream.
    pub(crate) stream_window: u32,
    /// Bytes under way on all of them.
    pub(crate) connection_window: u32,
    /// How long nothing may come, in milliseconds; 0 is no limit.
    pub(crate) idle: u64,
}

/// The kinds of streams, each with a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bidi,
    Uni,
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Close {
    Application {
        code: u64,
        reason: Bytes,
    },
    /// The other end has broken this protocol.
    Violation,
    /// Nothing has come for too long.
    Idle,
}

/// The bytes are no frame of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    kind: u8,
    flags: u8,
    /// The payload's length, in bytes; at most [`LONGEST`].
    pub(crate) length: usize,
    id: u64,
}

const HELLO: u8 = 0;
const DATA: u8 = 1;
const WINDOW: u8 = 2;
const CONNECTION_WINDOW: u8 = 3;
const STREAMS: u8 = 4;
const RESET: u8 = 5;
const STOP: u8 = 6;
const FINISHED: u8 = 7;
const PING: u8 = 8;
const PONG: u8 = 9;
const CLOSE: u8 = 10;

/// Behind this data the stream ends.
const LAST: u8 = 1;

/// What every hello begins with, and its version.
const MAGIC: &[u8; 4] = b"OWN1";

impl Header {
    /// The header at the front of `bytes`; `None` when it is not whole yet.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        if bytes.len() < HEADER {
            return Ok(None);
        }
        let (kind, flags, zero) = (bytes.get_u8(), bytes.get_u8(), bytes.get_u16());
        let (length, id) = (bytes.get_u32() as usize, bytes.get_u64());
        let known = if kind == DATA { LAST } else { 0 };
        if kind > CLOSE || flags & !known != 0 || zero != 0 {
            return Err(Malformed("an unknown frame"));
        }
        if length > LONGEST {
            return Err(Malformed("a payload that is too long"));
        }
        if id > LARGEST {
            return Err(Malformed("a stream's number that is too large"));
        }
        Ok(Some(Self { kind, flags, length, id }))
    }
}

impl Frame {
    /// The frame of this header; `payload` is as long as the header says.
    pub(crate) fn decode(header: Header, mut payload: Bytes) -> Result<Self, Malformed> {
        let id = header.id;
        if !matches!(header.kind, DATA | WINDOW | RESET | STOP | FINISHED) && id != 0 {
            return Err(Malformed("a stream's number on a frame of the connection"));
        }
        let frame = match header.kind {
            DATA => {
                let is_last = header.flags & LAST != 0;
                if payload.is_empty() && !is_last {
                    return Err(Malformed("no data and no end"));
                }
                return Ok(Self::Data { id, data: payload, is_last });
            }
            HELLO => Self::Hello(Hello::decode(&mut payload)?),
            WINDOW => Self::Window { id, more: number(&mut payload)? },
            CONNECTION_WINDOW => Self::ConnectionWindow { more: number(&mut payload)? },
            STREAMS => {
                let kind = match byte(&mut payload)? {
                    0 => Kind::Bidi,
                    1 => Kind::Uni,
                    _ => return Err(Malformed("an unknown kind of stream")),
                };
                Self::Streams { kind, more: number(&mut payload)? }
            }
            RESET => Self::Reset { id, code: number(&mut payload)? },
            STOP => Self::Stop { id, code: number(&mut payload)? },
            FINISHED => Self::Finished { id },
            PING => Self::Ping,
            PONG => Self::Pong,
            _ => Self::Close(match byte(&mut payload)? {
                0 => {
                    let code = number(&mut payload)?;
                    Close::Application { code, reason: std::mem::take(&mut payload) }
                }
                1 => Close::Violation,
                2 => Close::Idle,
                _ => return Err(Malformed("an unknown reason of a close")),
            }),
        };
        if payload.is_empty() { Ok(frame) } else { Err(Malformed("a payload that goes on")) }
    }

    /// Puts the frame but for its data behind `out`; gives the data, which comes next.
    pub(crate) fn encode(self, out: &mut BytesMut) -> Bytes {
        let mut payload = BytesMut::new();
        let (kind, flags, id, data) = match self {
            Self::Hello(hello) => {
                hello.encode(&mut payload);
                (HELLO, 0, 0, Bytes::new())
            }
            Self::Data { id, data, is_last } => (DATA, if is_last { LAST } else { 0 }, id, data),
            Self::Window { id, more } => {
                payload.put_u64(more);
                (WINDOW, 0, id, Bytes::new())
            }
            Self::ConnectionWindow { more } => {
                payload.put_u64(more);
                (CONNECTION_WINDOW, 0, 0, Bytes::new())
            }
            Self::Streams { kind, more } => {
                payload.put_u8(kind as u8);
                payload.put_u64(more);
                (STREAMS, 0, 0, Bytes::new())
            }
            Self::Reset { id, code } => {
                payload.put_u64(code);
                (RESET, 0, id, Bytes::new())
            }
            Self::Stop { id, code } => {
                payload.put_u64(code);
                (STOP, 0, id, Bytes::new())
            }
            Self::Finished { id } => (FINISHED, 0, id, Bytes::new()),
            Self::Ping => (PING, 0, 0, Bytes::new()),
            Self::Pong => (PONG, 0, 0, Bytes::new()),
            Self::Close(close) => {
                match close {
                    Close::Application { code, reason } => {
                        payload.put_u8(0);
                        payload.put_u64(code);
                        payload.put_slice(&reason);
                    }
                    Close::Violation => payload.put_u8(1),
                    Close::Idle => payload.put_u8(2),
                }
                (CLOSE, 0, 0, Bytes::new())
            }
        };
        out.put_u8(kind);
        out.put_u8(flags);
        out.put_u16(0);
        out.put_u32((payload.len() + data.len()) as u32);
        out.put_u64(id);
        out.put_slice(&payload);
        data
    }
}

impl Hello {
    fn decode(payload: &mut Bytes) -> Result<Self, Malformed> {
        if payload.len() != MAGIC.len() + 24 || !payload.starts_with(MAGIC) {
            return Err(Malformed("no hello of this protocol"));
        }
        payload.advance(MAGIC.len());
        Ok(Self {
            streams: [payload.get_u32(), payload.get_u32()],
            stream_window: payload.get_u32(),
            connection_window: payload.get_u32(),
            idle: payload.get_u64(),
        })
    }

    fn encode(&self, payload: &mut BytesMut) {
        payload.put_slice(MAGIC);
        self.streams.into_iter().for_each(|limit| payload.put_u32(limit));
        payload.put_u32(self.stream_window);
        payload.put_u32(self.connection_window);
        payload.put_u64(self.idle);
    }
}

fn byte(payload: &mut Bytes) -> Result<u8, Malformed> {
    payload.try_get_u8().map_err(|_| Malformed("a payload that is too short"))
}

fn number(payload: &mut Bytes) -> Result<u64, Malformed> {
    match payload.try_get_u64() {
        Ok(number) if number <= LARGEST => Ok(number),
        Ok(_) => Err(Malformed("a number that is too large")),
        Err(_) => Err(Malformed("a payload that is too short")),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
