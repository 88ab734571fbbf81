//! The streams of the connection itself (RFC 9114 section 6.2).

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use dipole_net::{BoxFuture, BoxReceive, BoxSend, Error, ErrorKind, Result, StreamConn};

use super::codec::code;
use super::codec::frames::{self, Frame, FrameFault, FrameReader};
use super::codec::instructions::{Forbidden, Instructions, Side};
use super::codec::integer::{self, Gathering};
use super::codec::settings::Settings;

/// Why this end has to end the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) code: u64,
    pub(super) text: &'static str,
}

impl From<FrameFault> for Broken {
    fn from(fault: FrameFault) -> Self {
        Self { code: fault.code(), text: fault.text() }
    }
}

impl From<Forbidden> for Broken {
    fn from(Forbidden { code, text }: Forbidden) -> Self {
        Self { code, text }
    }
}

/// The types of unidirectional streams (RFC 9114 section 6.2, RFC 9204 section 4.2).
const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;
const ENCODER: u64 = 0x02;
const DECODER: u64 = 0x03;

/// The longest frame on a control stream.
const LONGEST_FRAME: usize = 4096;

/// Which end of a connection this one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    Client,
}

/// Both ends' control streams, and what else comes on unidirectional streams.
///
/// This end opens no streams for QPACK: without a dynamic table there is nothing to be said on them
/// (RFC 9204 section 4.2).
pub(super) struct Control<'a> {
    conn: &'a dyn StreamConn,
    sending: Sending<'a>,
    queued: BytesMut,
    /// What the stream begins with, kept by a client: a server may have lost it with early data.
    greeting: Option<Box<[u8]>>,
    accepting: BoxFuture<'a, Result<BoxReceive>>,
    arrived: Vec<Arrived>,
    said: Said,
    /// Frames and streams that asked for nothing, since this was last asked.
    idle_talk: u32,
}

/// What the peer has said on its control stream.
#[derive(Debug)]
struct Said {
    /// What this end is.
    role: Role,
    settings: Option<Settings>,
    /// The last MAX_PUSH_ID.
    most_pushes: Option<u64>,
    /// The last GOAWAY.
    goaway: Option<u64>,
}

enum Sending<'a> {
    Opening(BoxFuture<'a, Result<BoxSend>>),
    Open(BoxSend),
    /// The connection has ended, which others tell.
    Over,
}

/// A unidirectional stream of the peer.
struct Arrived {
    receive: BoxReceive,
    kind: Kind,
}

enum Kind {
    /// Still to come.
    Unknown(Gathering),
    /// On the heap: an idle connection has a place for each of them.
    Control(Box<FrameReader>),
    Encoder(Instructions),
    Decoder(Instructions),
}

impl<'a> Control<'a> {
    pub(super) fn new(conn: &'a dyn StreamConn, role: Role, settings: Settings) -> Self {
        let mut queued = BytesMut::with_capacity(32);
        integer::encode(CONTROL, &mut queued);
        settings.encode(&mut queued);
        let greeting = match role {
            Role::Client => Some(queued[..].into()),
            Role::Server => None,
        };
        Self {
            conn,
            sending: Sending::Opening(conn.open_uni_stream_sync()),
            greeting,
            queued,
            accepting: conn.accept_uni_stream(),
            arrived: Vec::new(),
            said: Said { role, settings: None, most_pushes: None, goaway: None },
            idle_talk: 0,
        }
    }

    /// What the peer may be sent, once it has said so.
    pub(super) fn settings(&self) -> Option<Settings> {
        self.said.settings
    }

    /// The number of the peer's last GOAWAY.
    pub(super) fn goaway(&self) -> Option<u64> {
        self.said.goaway
    }

    /// How many frames and streams asked for nothing since this was last asked.
    pub(super) fn take_idle_talk(&mut self) -> u32 {
        std::mem::take(&mut self.idle_talk)
    }

    /// To be sent by the next poll.
    pub(super) fn send_goaway(&mut self, id: u64) {
        let mut payload = BytesMut::new();
        integer::encode(id, &mut payload);
        frames::encode_head(frames::GOAWAY, payload.len(), &mut self.queued);
        self.queued.extend_from_slice(&payload);
    }

    /// Sends and reads what it can.
    ///
    /// # Errors
    /// The peer broke the rules.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        self.poll_send(cx);
        while let Poll::Ready(Ok(receive)) = self.accepting.as_mut().poll(cx) {
            self.accepting = self.conn.accept_uni_stream();
            let kind = Kind::Unknown(Gathering::default());
            self.idle_talk = self.idle_talk.saturating_add(1);
            // No more than there are: they stay for as long as the connection.
            self.arrived.reserve_exact(1);
            self.arrived.push(Arrived { receive, kind });
        }
        let mut index = 0;
        while index < self.arrived.len() {
            // The peer may not have more of them open than its credit allows.
            match self.poll_arrived(index, cx)? {
                Stays::Yes => index += 1,
                Stays::No => {
                    drop(self.arrived.swap_remove(index));
                    self.arrived.shrink_to_fit();
                }
            }
        }
        Ok(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) {
        loop {
            match &mut self.sending {
                Sending::Opening(opening) => match opening.as_mut().poll(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(send)) => self.sending = Sending::Open(send),
                    Poll::Ready(Err(error)) => self.failed(&error),
                },
                Sending::Open(send) => {
                    match poll_rest(send, &mut self.queued, self.said.role, cx) {
                        Poll::Pending => return,
                        Poll::Ready(error) => self.failed(&error),
                    }
                }
                Sending::Over => return,
            }
        }
    }

    /// The stream cannot be sent on: it is begun anew where the peer has seen nothing of it
    /// (RFC 9001 section 4.6.2).
    fn failed(&mut self, error: &Error) {
        if let Some(greeting) = &self.greeting
            && *error.kind() == ErrorKind::EarlyDataRejected
        {
            self.queued = BytesMut::from(&greeting[..]);
            self.sending = Sending::Opening(self.conn.open_uni_stream_sync());
        } else {
            self.sending = Sending::Over;
        }
    }

    /// Reads what has come on one stream.
    fn poll_arrived(&mut self, index: usize, cx: &mut Context<'_>) -> Result<Stays, Broken> {
        loop {
            let stream = &mut self.arrived[index];
            let mut held = match stream.receive.poll_read(cx) {
                Poll::Pending => return Ok(Stays::Yes),
                Poll::Ready(Ok(Some(bytes))) => bytes,
                Poll::Ready(Ok(None) | Err(_)) => return stream.end(),
            };
            while !held.is_empty() {
                match self.read(index, &mut held)? {
                    Stays::Yes => {}
                    Stays::No => return Ok(Stays::No),
                }
            }
        }
    }

    /// Takes of what has come on a stream: its type, or all.
    fn read(&mut self, index: usize, held: &mut Bytes) -> Result<Stays, Broken> {
        let stream = &mut self.arrived[index];
        match &mut stream.kind {
            Kind::Unknown(begin) => {
                let Some(value) = begin.take(held) else { return Ok(Stays::Yes) };
                let kind = match value {
                    CONTROL => Kind::Control(Box::new(FrameReader::new(LONGEST_FRAME))),
                    ENCODER => Kind::Encoder(Instructions::default()),
                    DECODER => Kind::Decoder(Instructions::default()),
                    PUSH if self.said.role == Role::Server => {
                        return Err(creation("a client cannot push"));
                    }
                    // RFC 9114 4.6: nothing may be pushed without MAX_PUSH_ID.
                    PUSH => {
                        let text = "a push that nobody asked for";
                        return Err(Broken { code: code::ID_ERROR, text });
                    }
                    _ => {
                        // RFC 9114 6.2: not a fault.
                        stream.receive.cancel_read(code::STREAM_CREATION_ERROR);
                        return Ok(Stays::No);
                    }
                };
                let same = std::mem::discriminant(&kind);
                if self.arrived.iter().any(|known| std::mem::discriminant(&known.kind) == same) {
                    return Err(creation("two streams of one kind"));
                }
                self.arrived[index].kind = kind;
            }
            Kind::Encoder(instructions) => {
                let ended = instructions.take(Side::Encoder, held)?;
                self.pass(held, ended);
            }
            Kind::Decoder(instructions) => {
                let ended = instructions.take(Side::Decoder, held)?;
                self.pass(held, ended);
            }
            Kind::Control(reader) => {
                while let Some(frame) = reader.next(held)? {
                    self.idle_talk = self.idle_talk.saturating_add(1);
                    self.said.take(frame)?;
                }
                self.idle_talk = self.idle_talk.saturating_add(reader.take_passed());
            }
        }
        Ok(Stays::Yes)
    }

    /// Instructions that changed nothing.
    fn pass(&mut self, held: &mut Bytes, instructions: u32) {
        held.clear();
        self.idle_talk = self.idle_talk.saturating_add(instructions);
    }
}

/// Sends what is queued. Ready when the stream cannot be sent on.
fn poll_rest(
    send: &mut BoxSend,
    queued: &mut BytesMut,
    role: Role,
    cx: &mut Context<'_>,
) -> Poll<Error> {
    while queued.has_remaining() {
        match ready!(send.poll_write(cx, queued)) {
            Ok(taken) => queued.advance(taken),
            Err(error) => return Poll::Ready(error),
        }
    }
    *queued = BytesMut::new();
    // A server that takes no early data has lost what was said in it.
    match role {
        Role::Client => match ready!(send.poll_stopped(cx)) {
            Err(error) => Poll::Ready(error),
            Ok(_) => Poll::Pending,
        },
        Role::Server => Poll::Pending,
    }
}

/// Whether a stream goes on.
enum Stays {
    Yes,
    No,
}

impl Arrived {
    /// RFC 9114 6.2.1, RFC 9204 4.2: those that are known do not end.
    fn end(&self) -> Result<Stays, Broken> {
        match self.kind {
            Kind::Unknown(_) => Ok(Stays::No),
            _ => {
                let text = "a stream ended that may not";
                Err(Broken { code: code::CLOSED_CRITICAL_STREAM, text })
            }
        }
    }
}

fn creation(text: &'static str) -> Broken {
    Broken { code: code::STREAM_CREATION_ERROR, text }
}

impl Said {
    /// A frame on the peer's control stream (RFC 9114 section 7.2).
    fn take(&mut self, frame: Frame) -> Result<(), Broken> {
        let wrong = |code, text| Err(Broken { code, text });
        let (kind, payload) = match frame {
            Frame::Data(_) if self.settings.is_some() => {
                return wrong(code::FRAME_UNEXPECTED, "data on a control stream");
            }
            Frame::Data(_) => return wrong(code::MISSING_SETTINGS, "no settings"),
            Frame::Other { kind, payload } => (kind, payload),
        };
        if kind == frames::SETTINGS {
            if self.settings.is_some() {
                return wrong(code::FRAME_UNEXPECTED, "settings for the second time");
            }
            self.settings = Settings::decode(&payload);
            return match self.settings {
                Some(_) => Ok(()),
                None => wrong(code::SETTINGS_ERROR, "wrong settings"),
            };
        }
        if self.settings.is_none() {
            return wrong(code::MISSING_SETTINGS, "no settings");
        }
        if kind == frames::MAX_PUSH_ID && self.role == Role::Client {
            return wrong(code::FRAME_UNEXPECTED, "a server's MAX_PUSH_ID");
        }
        let id = match integer::decode(&payload) {
            Some((id, length)) if length == payload.len() => Some(id),
            _ => None,
        };
        match (kind, id) {
            (frames::GOAWAY | frames::MAX_PUSH_ID | frames::CANCEL_PUSH, None) => {
                wrong(code::FRAME_ERROR, "a frame of the wrong length")
            }
            // 7.2.6: of a server it is the number of a request.
            (frames::GOAWAY, Some(id)) if self.role == Role::Client && id % 4 != 0 => {
                wrong(code::ID_ERROR, "a number that is no request's")
            }
            (frames::GOAWAY, Some(id)) if self.goaway.is_none_or(|before| id <= before) => {
                self.goaway = Some(id);
                Ok(())
            }
            (frames::MAX_PUSH_ID, Some(id))
                if self.most_pushes.is_none_or(|before| id >= before) =>
            {
                self.most_pushes = Some(id);
                Ok(())
            }
            // 7.2.3: nothing was pushed that could be cancelled.
            (frames::GOAWAY | frames::MAX_PUSH_ID | frames::CANCEL_PUSH, Some(_)) => {
                wrong(code::ID_ERROR, "a number that may not be")
            }
            _ => wrong(code::FRAME_UNEXPECTED, "a frame that has no place on a control stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(role: Role, frames: &[(u64, &[u8])]) -> Result<(), u64> {
        let mut said = Said { role, settings: None, most_pushes: None, goaway: None };
        for &(kind, payload) in frames {
            let frame = Frame::Other { kind, payload: Bytes::copy_from_slice(payload) };
            said.take(frame).map_err(|broken| broken.code)?;
        }
        Ok(())
    }

    #[test]
    fn a_control_stream_begins_with_settings_and_has_its_rules() {
        const SETTINGS: (u64, &[u8]) = (frames::SETTINGS, b"");
        for (sent, expected) in [
            (&[SETTINGS][..], Ok(())),
            (&[SETTINGS, (frames::MAX_PUSH_ID, b"\x05"), (frames::MAX_PUSH_ID, b"\x05")], Ok(())),
            (&[SETTINGS, (frames::GOAWAY, b"\x04"), (frames::GOAWAY, b"\x00")], Ok(())),
            (&[(frames::GOAWAY, b"\x00")], Err(code::MISSING_SETTINGS)),
            (&[SETTINGS, SETTINGS], Err(code::FRAME_UNEXPECTED)),
            (&[(frames::SETTINGS, b"\x02\x00")], Err(code::SETTINGS_ERROR)),
            (&[SETTINGS, (frames::HEADERS, b"")], Err(code::FRAME_UNEXPECTED)),
            (&[SETTINGS, (frames::GOAWAY, b"")], Err(code::FRAME_ERROR)),
            (&[SETTINGS, (frames::GOAWAY, b"\x00\x00")], Err(code::FRAME_ERROR)),
            (&[SETTINGS, (frames::CANCEL_PUSH, b"\x00")], Err(code::ID_ERROR)),
            (
                &[SETTINGS, (frames::MAX_PUSH_ID, b"\x05"), (frames::MAX_PUSH_ID, b"\x04")],
                Err(code::ID_ERROR),
            ),
            (
                &[SETTINGS, (frames::GOAWAY, b"\x00"), (frames::GOAWAY, b"\x04")],
                Err(code::ID_ERROR),
            ),
        ] {
            assert_eq!(taken(Role::Server, sent), expected, "{sent:?}");
        }
    }

    #[test]
    fn a_server_says_less() {
        const SETTINGS: (u64, &[u8]) = (frames::SETTINGS, b"");
        for (sent, expected) in [
            (&[SETTINGS, (frames::GOAWAY, b"\x08"), (frames::GOAWAY, b"\x04")][..], Ok(())),
            (&[SETTINGS, (frames::GOAWAY, b"\x03")], Err(code::ID_ERROR)),
            (&[SETTINGS, (frames::MAX_PUSH_ID, b"\x05")], Err(code::FRAME_UNEXPECTED)),
            (&[SETTINGS, (frames::CANCEL_PUSH, b"\x00")], Err(code::ID_ERROR)),
        ] {
            assert_eq!(taken(Role::Client, sent), expected, "{sent:?}");
        }
    }
}
