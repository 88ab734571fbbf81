//! One TLS session, sans-io: records in, plain bytes out, and the other way round.

use bytes::Bytes;
use dipole_io::Input;
use dipole_net::{Conn, TlsInfo};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncryptError, ReadEarlyData, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CommonState, Error, HandshakeKind, ProtocolVersion};

use crate::farewell::Unread;
use crate::records::{MOST_PLAIN, RecordBuffers};

/// A record's header (RFC 8446 section 5.1).
const HEADER: usize = 5;
/// The longest record that any version allows (RFC 5246 section 6.2.3).
const MOST_SEALED: usize = HEADER + MOST_PLAIN + 2 * 1024;
/// Bytes of handshake messages in parts that are held: one message of the greatest length, and a
/// record.
const MOST_KEPT: usize = 64 * 1024 + MOST_SEALED;

/// Either end's state.
pub(crate) struct Session {
    end: End,
    /// Bytes that rustls has seen and wants to see again: a handshake message in parts.
    kept: Vec<u8>,
    buffers: RecordBuffers,
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
        Self { end, kept: Vec::new(), buffers: buffers.clone(), had_early_data: false }
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
        let mut buffer = self.buffers.take();
        let record = &mut buffer.room()[..length];
        record.copy_from_slice(&held[..length]);
        consume(conn, length);
        let (taken, standing) = self.advance(record, conn, input);
        self.kept.extend_from_slice(&record[taken..]);
        standing.map(Some)
    }

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
            let (discard, turn) = self.turn(&mut sealed[taken..], conn, Some(&mut *input), |_| {});
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
    fn queue_alert(&mut self, conn: &mut dyn Conn) {
        while self.state().wants_write() {
            let (_, Ok(Turn::Again)) = self.turn(&mut [], conn, None, |_| {}) else { break };
        }
    }

    /// Encrypts some of `data` and queues it on `conn`; gives how many bytes it took.
    ///
    /// # Errors
    /// `EncryptError` when the keys are used up, or what an earlier record failed with.
    pub(crate) fn seal(&mut self, data: &[u8], conn: &mut dyn Conn) -> Result<usize, Error> {
        let data = &data[..data.len().min(MOST_PLAIN)];
        let mut buffer = self.buffers.take();
        let written = self.write(conn, |traffic| traffic.encrypt(data, buffer.room()))?;
        buffer.queue_on(conn, written);
        Ok(data.len())
    }

    /// Queues `close_notify` on `conn`: this side's last record.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub(crate) fn end(&mut self, conn: &mut dyn Conn) -> Result<(), Error> {
        let mut buffer = self.buffers.take();
        let written = self.write(conn, |traffic| traffic.queue_close_notify(buffer.room()))?;
        buffer.queue_on(conn, written);
        Ok(())
    }

    /// Lets `write` write once rustls is ready for it.
    fn write(
        &mut self,
        conn: &mut dyn Conn,
        mut write: impl FnMut(&mut dyn Write) -> Result<usize, EncryptError>,
    ) -> Result<usize, Error> {
        let mut kept = std::mem::take(&mut self.kept);
        let mut written = None;
        let result = loop {
            let (discard, turn) = self.turn(&mut kept, conn, None, |traffic| {
                written = Some(write(traffic));
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

    /// One step of rustls's state machine.
    fn turn(
        &mut self,
        sealed: &mut [u8],
        conn: &mut dyn Conn,
        input: Option<&mut Input>,
        writable: impl FnOnce(&mut dyn Write),
    ) -> (usize, Result<Turn, Error>) {
        let mut ends = Ends { conn, input, had_early_data: &mut self.had_early_data };
        match &mut self.end {
            End::Client(session) => ends.take(session.process_tls_records(sealed), writable),
            End::Server(session) => ends.take(session.process_tls_records(sealed), writable),
        }
    }

    /// What the peer may have sent that only this session would read.
    pub(crate) fn unread(&self) -> Unread {
        let is_13 = self.state().protocol_version() == Some(ProtocolVersion::TLSv1_3);
        match self.end {
            End::Client(_) if is_13 => Unread::Tickets,
            _ => Unread::Nothing,
        }
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
    pub(crate) fn info(&self, server_name: Option<String>) -> TlsInfo {
        let state = self.state();
        let mut info = TlsInfo::default();
        info.alpn = state.alpn_protocol().map(Bytes::copy_from_slice);
        info.server_name = server_name;
        info.version = match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
            other => format!("{other:?}"),
        };
        info.cipher_suite = state
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            // IANA's name; rustls adds the version.
            .map_or_else(String::new, |name| name.replacen("TLS13_", "TLS_", 1));
        info.peer_certificates = state
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|certificate| Bytes::copy_from_slice(certificate))
            .collect();
        info.resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
        info.early_data = self.had_early_data;
        info
    }
}

/// `conn` holds at least so many bytes.
fn consume(conn: &mut dyn Conn, length: usize) {
    let skipped = conn.skip(length);
    debug_assert!(skipped.is_ok(), "the record is held");
}

/// What rustls says after one step.
enum Turn {
    /// There is more to do.
    Again,
    /// It has given plain bytes; there may be more to do.
    Opened,
    /// It has met the peer's `close_notify`; there may be more to do.
    PeerEnded,
    /// It waits for the peer.
    Blocked,
    /// It would write plain bytes now, if there were any.
    Writable,
}

/// Encrypting, whichever end it is.
trait Write {
    fn encrypt(&mut self, data: &[u8], room: &mut [u8]) -> Result<usize, EncryptError>;
    fn queue_close_notify(&mut self, room: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<Data> Write for WriteTraffic<'_, Data> {
    fn encrypt(&mut self, data: &[u8], room: &mut [u8]) -> Result<usize, EncryptError> {
        Self::encrypt(self, data, room)
    }
    fn queue_close_notify(&mut self, room: &mut [u8]) -> Result<usize, EncryptError> {
        Self::queue_close_notify(self, room)
    }
}

/// Data that came with the handshake; only a server is sent any.
trait Early {
    fn next_early_record(&mut self) -> Option<Result<AppDataRecord<'_>, Error>>;
}

impl Early for ReadEarlyData<'_, '_, ServerConnectionData> {
    fn next_early_record(&mut self) -> Option<Result<AppDataRecord<'_>, Error>> {
        self.next_record()
    }
}

impl Early for ReadEarlyData<'_, '_, ClientConnectionData> {
    fn next_early_record(&mut self) -> Option<Result<AppDataRecord<'_>, Error>> {
        None
    }
}

/// Where one step puts what it makes.
struct Ends<'a> {
    conn: &'a mut dyn Conn,
    /// `None` where no plain bytes can come: rustls has seen all that it is shown.
    input: Option<&'a mut Input>,
    had_early_data: &'a mut bool,
}

impl Ends<'_> {
    fn take<Data>(
        &mut self,
        UnbufferedStatus { mut discard, state, .. }: UnbufferedStatus<'_, '_, Data>,
        writable: impl FnOnce(&mut dyn Write),
    ) -> (usize, Result<Turn, Error>)
    where
        for<'c, 'i> ReadEarlyData<'c, 'i, Data>: Early,
    {
        let turn = match state {
            Err(error) => Err(error),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                match traffic.next_record() {
                    None => break Ok(Turn::Opened),
                    Some(Err(error)) => break Err(error),
                    Some(Ok(record)) => {
                        discard += record.discard;
                        self.append(record.payload);
                    }
                }
            },
            Ok(ConnectionState::ReadEarlyData(mut early)) => loop {
                match early.next_early_record() {
                    None => break Ok(Turn::Again),
                    Some(Err(error)) => break Err(error),
                    Some(Ok(record)) => {
                        discard += record.discard;
                        *self.had_early_data = true;
                        self.append(record.payload);
                    }
                }
            },
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                // Asked for nothing it says how much it needs.
                let size = match data.encode(&mut []) {
                    Err(EncodeError::InsufficientSize(needs)) => needs.required_size,
                    Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
                };
                let _ = data.encode(self.conn.malloc(size));
                Ok(Turn::Again)
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                // It is queued on the connection, which sends it whole or fails.
                data.done();
                Ok(Turn::Again)
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                writable(&mut traffic);
                Ok(Turn::Writable)
            }
            Ok(ConnectionState::PeerClosed) => Ok(Turn::PeerEnded),
            Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => Ok(Turn::Blocked),
            Ok(_) => Err(Error::General("a state that this version of rustls has not".into())),
        };
        (discard, turn)
    }

    fn append(&mut self, plain: &[u8]) {
        if let Some(input) = &mut self.input {
            input.append(plain);
        }
    }
}
