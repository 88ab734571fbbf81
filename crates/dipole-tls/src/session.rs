//! One TLS session, sans-io: records in, plain bytes out, and the other way round.

use dipole_io::Input;
use dipole_net::Conn;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::EncryptError;
use rustls::{CommonState, Error, ProtocolVersion};

use crate::agreed::Agreed;
use crate::farewell::Unread;
use crate::records::{MOST_PLAIN, RecordBuffers};
use crate::turn::{Ends, Keys, Turn, Write};

/// A record's header (RFC 8446 section 5.1).
const HEADER: usize = 5;
/// The longest record that any version allows (RFC 5246 section 6.2.3).
const MOST_SEALED: usize = HEADER + MOST_PLAIN + 2 * 1024;
/// Bytes of handshake messages in parts that are held: one message of the greatest length, and a
/// record.
const MOST_KEPT: usize = 64 * 1024 + MOST_SEALED;
/// Up to so many bytes are sealed and opened without a buffer of the store: to zero that much room
/// costs less than to fetch it.
const SMALL: usize = 256;
/// Room for what a cipher adds, and for a message that rustls sends before the record.
const SPARE: usize = 256;
/// The most records that one key seals, and the default: a quarter of what AES-GCM allows (RFC 8446
/// section 5.5).
pub(crate) const MOST_RECORDS: u32 = 1 << 22;

/// Either end's state.
pub(crate) struct Session {
    end: End,
    /// Bytes that rustls has seen and wants to see again: a handshake message in parts.
    kept: Vec<u8>,
    buffers: RecordBuffers,
    /// Sealed with the key in use.
    sealed: u32,
    most_sealed: u32,
    had_early_data: bool,
}

enum End {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// What a session waits for after it has taken what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The handshake goes on with the peer's next record.
    Handshaking,
    /// Plain bytes may be sent and received.
    Open,
    /// The peer has ended its side by `close_notify`.
    PeerEnded,
}

impl Session {
    pub(crate) fn client(session: UnbufferedClientConnection, buffers: &RecordBuffers) -> Self {
        Self::new(End::Client(Box::new(session)), buffers)
    }

    pub(crate) fn server(session: UnbufferedServerConnection, buffers: &RecordBuffers) -> Self {
        Self::new(End::Server(Box::new(session)), buffers)
    }

    fn new(end: End, buffers: &RecordBuffers) -> Self {
        Self {
            end,
            kept: Vec::new(),
            buffers: buffers.clone(),
            sealed: 0,
            most_sealed: MOST_RECORDS,
            had_early_data: false,
        }
    }

    /// Changes the key after so many records, where the version allows it.
    pub(crate) fn with_records_per_key(mut self, records: u32) -> Self {
        self.most_sealed = records.min(MOST_RECORDS);
        self
    }

    /// How many bytes `conn` has to hold for the next record to be whole. The header's length is
    /// checked by rustls once it sees the record.
    pub(crate) fn wanted(sealed: &[u8]) -> usize {
        match sealed {
            // Not a record: rustls says so when it sees the header.
            [kind, ..] if !(20..=24).contains(kind) => HEADER,
            [_, _, _, high, low, ..] => {
                (HEADER + usize::from(u16::from_be_bytes([*high, *low]))).min(MOST_SEALED)
            }
            _ => HEADER,
        }
    }

    /// Takes the next record from `conn` if it is whole; its plain bytes go to `input`, and what is
    /// to be answered is queued on `conn`. Gives `None` when the record is not whole.
    ///
    /// # Errors
    /// rustls's; the alert for the peer is queued on `conn` then.
    pub(crate) fn open_next(
        &mut self,
        conn: &mut dyn Conn,
        input: &mut Input,
    ) -> Result<Option<Standing>, Error> {
        let held = conn.buffered();
        let length = Self::wanted(held);
        if held.len() < length {
            return Ok(None);
        }
        if !self.kept.is_empty() {
            return self.open_with_kept(conn, input, length).map(Some);
        }
        if length <= SMALL {
            return self.open_in(&mut [0; SMALL][..length], conn, input).map(Some);
        }
        let mut buffer = self.buffers.take();
        self.open_in(&mut buffer.room()[..length], conn, input).map(Some)
    }

    /// Takes a record that is there whole; it is decrypted in `record`, which is as long.
    fn open_in(
        &mut self,
        record: &mut [u8],
        conn: &mut dyn Conn,
        input: &mut Input,
    ) -> Result<Standing, Error> {
        record.copy_from_slice(&conn.buffered()[..record.len()]);
        consume(conn, record.len());
        let (taken, standing) = self.advance(record, conn, input);
        self.kept.extend_from_slice(&record[taken..]);
        standing
    }

    #[cold]
    fn open_with_kept(
        &mut self,
        conn: &mut dyn Conn,
        input: &mut Input,
        length: usize,
    ) -> Result<Standing, Error> {
        if self.kept.len() + length > MOST_KEPT {
            return Err(Error::InvalidMessage(rustls::InvalidMessage::HandshakePayloadTooLarge));
        }
        self.kept.extend_from_slice(&conn.buffered()[..length]);
        consume(conn, length);
        self.advance_kept(conn, input)
    }

    /// Goes on without a new record: begins a client's handshake.
    ///
    /// # Errors
    /// rustls's.
    pub(crate) fn advance_kept(
        &mut self,
        conn: &mut dyn Conn,
        input: &mut Input,
    ) -> Result<Standing, Error> {
        let mut kept = std::mem::take(&mut self.kept);
        let (taken, standing) = self.advance(&mut kept, conn, input);
        kept.drain(..taken);
        // An idle session holds no memory for what it has taken.
        self.kept = if kept.is_empty() { Vec::new() } else { kept };
        standing
    }

    /// Leads rustls on until it waits; gives how many bytes of `sealed` it has done with.
    fn advance(
        &mut self,
        sealed: &mut [u8],
        conn: &mut dyn Conn,
        input: &mut Input,
    ) -> (usize, Result<Standing, Error>) {
        let (mut taken, mut has_ended) = (0, false);
        loop {
            let (discard, turn) =
                self.turn(&mut sealed[taken..], conn, Some(&mut *input), &mut keep);
            taken += discard;
            let standing = match turn {
                // One record of plain bytes and nothing behind it: rustls has no more to say.
                Ok(Turn::Opened)
                    if taken == sealed.len()
                        && !has_ended
                        && !self.state().is_handshaking()
                        && !self.state().wants_write() =>
                {
                    Ok(Standing::Open)
                }
                Ok(Turn::Again | Turn::Opened) => continue,
                Ok(Turn::PeerEnded) => {
                    has_ended = true;
                    continue;
                }
                Ok(_) if has_ended => Ok(Standing::PeerEnded),
                Ok(Turn::Blocked) => Ok(Standing::Handshaking),
                // A server may send before the client's end of the handshake has come.
                Ok(Turn::Writable) if self.state().is_handshaking() => Ok(Standing::Handshaking),
                Ok(Turn::Writable) => Ok(Standing::Open),
                Err(error) => {
                    self.queue_alert(conn);
                    Err(error)
                }
            };
            return (taken, standing);
        }
    }

    /// After an error rustls has the alert ready, behind the messages that it made before, each of
    /// which takes a turn. It looks at no input as long as there are any.
    #[cold]
    fn queue_alert(&mut self, conn: &mut dyn Conn) {
        while self.state().wants_write() {
            let (_, Ok(Turn::Again)) = self.turn(&mut [], conn, None, &mut keep) else { break };
        }
    }

    /// Encrypts some of `data` and queues it on `conn`; gives how many bytes it took.
    ///
    /// # Errors
    /// `EncryptError` when the keys are used up, or what an earlier record failed with.
    pub(crate) fn seal(&mut self, data: &[u8], conn: &mut dyn Conn) -> Result<usize, Error> {
        let data = &data[..data.len().min(MOST_PLAIN)];
        if self.sealed >= self.most_sealed && self.is_13() {
            self.change_keys(conn)?;
        }
        if data.len() <= SMALL {
            let mut record = [0; SMALL + SPARE];
            let written = self.write(conn, &mut |traffic| traffic.encrypt(data, &mut record))?;
            conn.malloc(written).copy_from_slice(&record[..written]);
        } else {
            let mut buffer = self.buffers.take();
            let written = self.write(conn, &mut |traffic| traffic.encrypt(data, buffer.room()))?;
            buffer.queue_on(conn, written);
        }
        self.sealed = self.sealed.saturating_add(1);
        Ok(data.len())
    }

    /// Tells the peer, by what is queued before the next record, that this comes with another key.
    /// The peer is asked for the same.
    #[cold]
    fn change_keys(&mut self, conn: &mut dyn Conn) -> Result<(), Error> {
        let mut kept = std::mem::take(&mut self.kept);
        let mut is_told = false;
        let result = loop {
            let (discard, turn) = self.turn(&mut kept, conn, None, &mut |_| {
                is_told = true;
                Keys::Change
            });
            kept.drain(..discard);
            match turn {
                Ok(_) if is_told => break Ok(()),
                Ok(Turn::Again | Turn::Opened | Turn::PeerEnded) => {}
                Ok(Turn::Blocked | Turn::Writable) => break Err(Error::HandshakeNotComplete),
                Err(error) => break Err(error),
            }
        };
        self.kept = kept;
        self.sealed = 0;
        result
    }

    /// Queues `close_notify` on `conn`: this side's last record.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub(crate) fn end(&mut self, conn: &mut dyn Conn) -> Result<(), Error> {
        let mut record = [0; SPARE];
        let written = self.write(conn, &mut |traffic| traffic.queue_close_notify(&mut record))?;
        conn.malloc(written).copy_from_slice(&record[..written]);
        Ok(())
    }

    /// Lets `write` write once rustls is ready for it.
    fn write(
        &mut self,
        conn: &mut dyn Conn,
        write: &mut dyn FnMut(&mut dyn Write) -> Result<usize, EncryptError>,
    ) -> Result<usize, Error> {
        let mut kept = std::mem::take(&mut self.kept);
        let mut written = None;
        let result = loop {
            let (discard, turn) = self.turn(&mut kept, conn, None, &mut |traffic| {
                written = Some(write(traffic));
                Keys::Keep
            });
            kept.drain(..discard);
            match (turn, written.take()) {
                (_, Some(Ok(count))) => break Ok(count),
                (
                    _,
                    Some(Err(EncryptError::InsufficientSize(_) | EncryptError::EncryptExhausted)),
                ) => {
                    break Err(Error::EncryptError);
                }
                (Ok(Turn::Again | Turn::Opened | Turn::PeerEnded), None) => {}
                (Ok(Turn::Blocked | Turn::Writable), None) => {
                    break Err(Error::HandshakeNotComplete);
                }
                (Err(error), None) => break Err(error),
            }
        };
        self.kept = kept;
        result
    }

    /// One step of rustls's state machine. There is one of it, whatever is to be written, for most
    /// connections find it cold.
    fn turn(
        &mut self,
        sealed: &mut [u8],
        conn: &mut dyn Conn,
        input: Option<&mut Input>,
        writable: &mut dyn FnMut(&mut dyn Write) -> Keys,
    ) -> (usize, Result<Turn, Error>) {
        let mut ends = Ends { conn, input, had_early_data: &mut self.had_early_data };
        match &mut self.end {
            End::Client(session) => ends.take(session.process_tls_records(sealed), writable),
            End::Server(session) => ends.take(session.process_tls_records(sealed), writable),
        }
    }

    /// What the peer may have sent that only this session would read.
    pub(crate) fn unread(&self) -> Unread {
        match self.end {
            End::Client(_) if self.is_13() => Unread::Tickets,
            _ => Unread::Nothing,
        }
    }

    /// True for the end that speaks first.
    pub(crate) fn begins(&self) -> bool {
        matches!(self.end, End::Client(_))
    }

    /// True when what ends the handshake may leave with the first bytes: nobody waits for session
    /// tickets.
    pub(crate) fn ends_with_tickets(&self) -> bool {
        matches!(self.end, End::Server(_)) && self.is_13()
    }

    fn is_13(&self) -> bool {
        self.state().protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    fn state(&self) -> &CommonState {
        match &self.end {
            End::Client(session) => session,
            End::Server(session) => session,
        }
    }

    /// Memory held for input, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.kept.capacity()
    }

    /// What the handshake negotiated.
    pub(crate) fn agreed<'a>(&'a self, server_name: Option<&'a str>) -> Agreed<'a> {
        Agreed { state: self.state(), server_name, had_early_data: self.had_early_data }
    }
}

/// Writes nothing.
fn keep(_: &mut dyn Write) -> Keys {
    Keys::Keep
}

/// `conn` holds at least so many bytes.
fn consume(conn: &mut dyn Conn, length: usize) {
    let skipped = conn.skip(length);
    debug_assert!(skipped.is_ok(), "the record is held");
}
