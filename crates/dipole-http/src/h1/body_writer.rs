//! Writing a message's body in its framing (RFC 9112 sections 6 and 7.1).

use bytes::Buf;
use dipole_net::{Conn, ConnExt};
use http_body::Frame;

use super::codec::encode::{self, CHUNK_END, LAST_CHUNK};

/// Queues the pieces of a body on a connection.
#[derive(Debug)]
pub(crate) enum BodyWriter {
    /// Nothing is sent, whatever the body has.
    Nothing,
    /// So many bytes are still to come.
    Length(u64),
    Chunked,
    UntilClose,
}

impl BodyWriter {
    /// False when the message is whole without a look at its body.
    pub(crate) fn expects_more(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Length(0))
    }

    /// True when the announced length has been written.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Queues a piece.
    ///
    /// # Errors
    /// The body is longer than it said.
    pub(crate) fn write<D: Buf>(&mut self, conn: &mut dyn Conn, frame: Frame<D>) -> Result<(), ()> {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return self.write_trailers(conn, frame),
        };
        let length = data.remaining();
        if length == 0 {
            return Ok(());
        }
        let data = data.copy_to_bytes(length);
        match self {
            Self::Nothing => {}
            Self::Length(left) => {
                *left = left.checked_sub(length as u64).ok_or(())?;
                conn.write_binary(data);
            }
            Self::Chunked => {
                conn.put(encode::chunk_head(length as u64).as_bytes());
                conn.write_binary(data);
                conn.put(CHUNK_END);
            }
            Self::UntilClose => conn.write_binary(data),
        }
        Ok(())
    }

    fn write_trailers<D>(&mut self, conn: &mut dyn Conn, frame: Frame<D>) -> Result<(), ()> {
        // Only the chunked coding has a place for trailers; elsewhere they are left out, as
        // RFC 9110 6.5.1 lets any intermediary do.
        if let (Self::Chunked, Ok(trailers)) = (&*self, frame.into_trailers()) {
            let length = encode::last_chunk_len(&trailers);
            encode::encode_last_chunk(&trailers, conn.malloc(length));
            *self = Self::Length(0);
        }
        Ok(())
    }

    /// Queues what ends the body.
    ///
    /// # Errors
    /// The body is shorter than it said.
    pub(crate) fn end(&mut self, conn: &mut dyn Conn) -> Result<(), ()> {
        match self {
            Self::Length(1..) => return Err(()),
            Self::Chunked => conn.put(LAST_CHUNK),
            Self::Nothing | Self::Length(0) | Self::UntilClose => {}
        }
        *self = Self::Length(0);
        Ok(())
    }
}
