//! One step of rustls's state machine, whichever end it is.

use dipole_io::Input;
use dipole_net::Conn;
use rustls::Error;
use rustls::client::ClientConnectionData;
use rustls::server::ServerConnectionData;
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncryptError, ReadEarlyData, UnbufferedStatus,
    WriteTraffic,
};

/// What rustls says after one step.
pub(crate) enum Turn {
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

/// What whoever may write makes of it.
pub(crate) enum Keys {
    /// The next record is sealed with them, too.
    Keep,
    /// The peer is told of new ones first, and asked for new ones of its own (RFC 8446 section
    /// 4.6.3).
    Change,
}

/// Encrypting, whichever end it is.
pub(crate) trait Write {
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
pub(crate) trait Early {
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
pub(crate) struct Ends<'a> {
    pub(crate) conn: &'a mut dyn Conn,
    /// `None` where no plain bytes can come: rustls has seen all that it is shown.
    pub(crate) input: Option<&'a mut Input>,
    pub(crate) had_early_data: &'a mut bool,
}

impl Ends<'_> {
    #[inline]
    pub(crate) fn take<Data>(
        &mut self,
        UnbufferedStatus { mut discard, state, .. }: UnbufferedStatus<'_, '_, Data>,
        writable: &mut dyn FnMut(&mut dyn Write) -> Keys,
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
            Ok(ConnectionState::WriteTraffic(mut traffic)) => match writable(&mut traffic) {
                Keys::Keep => Ok(Turn::Writable),
                Keys::Change => traffic.refresh_traffic_keys().map(|()| Turn::Again),
            },
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
