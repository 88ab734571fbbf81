//! Reading a message's body in its framing, from a connection.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipole_net::{Conn, Error};
use http_body::Frame;

use super::codec::framing::{BodyDecoder, Step};
use super::codec::reject::Reject;

/// Why a body cannot be read on.
#[derive(Debug)]
pub(crate) enum ReadFault {
    /// The connection failed, or ended before the body did.
    Connection(Error),
    /// The peer broke the rules of its framing.
    Rejected(Reject),
}

/// Takes the next piece of a body from `conn`; `None` at its end. Waits only when nothing of it is
/// held.
///
/// # Errors
/// The connection's error, `Eof` among them unless the body ends with the connection; a fault of
/// the framing.
pub(crate) fn poll_frame(
    decoder: &mut BodyDecoder,
    conn: &mut dyn Conn,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Frame<Bytes>>, ReadFault>> {
    loop {
        match decoder.decode(conn.buffered()).map_err(ReadFault::Rejected)? {
            Step::More { skip, beyond } => {
                conn.skip(skip).map_err(ReadFault::Connection)?;
                // What was read has its readers; the buffer need not grow around it.
                conn.release();
                match ready!(conn.poll_fill(cx, beyond + 1)) {
                    Ok(()) => {}
                    Err(error) if error.is_eof() && matches!(decoder, BodyDecoder::UntilClose) => {
                        return Poll::Ready(Ok(None));
                    }
                    Err(error) => return Poll::Ready(Err(ReadFault::Connection(error))),
                }
            }
            Step::Data { skip, len } => {
                conn.skip(skip).map_err(ReadFault::Connection)?;
                let data = conn.split(len).map_err(ReadFault::Connection)?;
                return Poll::Ready(Ok(Some(Frame::data(data))));
            }
            Step::End { skip, trailers } => {
                conn.skip(skip).map_err(ReadFault::Connection)?;
                return Poll::Ready(Ok(trailers.map(|trailers| Frame::trailers(*trailers))));
            }
        }
    }
}
