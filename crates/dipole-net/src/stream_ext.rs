//! The async face of a stream's halves.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};

use crate::{Error, ErrorKind, ReceiveStream, Result, SendStream};

/// The awaiting calls over any [`ReceiveStream`].
pub trait ReceiveStreamExt: ReceiveStream {
    /// The next bytes; `None` at the stream's end.
    ///
    /// # Errors
    /// As [`ReceiveStream::poll_read`].
    ///
    /// # Cancel safety
    /// Dropping the future loses no byte.
    fn read(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send {
        poll_fn(|cx| self.poll_read(cx))
    }

    /// Everything up to the stream's end.
    ///
    /// # Errors
    /// As [`ReceiveStream::poll_read`]; `InvalidInput` when there is more than `limit`.
    ///
    /// # Cancel safety
    /// None: what was read is lost.
    fn read_to_end(&mut self, limit: usize) -> impl Future<Output = Result<Bytes>> + Send {
        async move {
            let mut whole = BytesMut::new();
            while let Some(bytes) = self.read().await? {
                if whole.len() + bytes.len() > limit {
                    let text = format!("the stream is longer than {limit} bytes");
                    return Err(Error::with_message(ErrorKind::InvalidInput, text));
                }
                whole.extend_from_slice(&bytes);
            }
            Ok(whole.freeze())
        }
    }
}

impl<S: ReceiveStream + ?Sized> ReceiveStreamExt for S {}

/// The awaiting calls over any [`SendStream`].
pub trait SendStreamExt: SendStream {
    /// Takes some of `data`: at least one byte, unless it is empty.
    ///
    /// # Errors
    /// As [`SendStream::poll_write`].
    ///
    /// # Cancel safety
    /// Dropped while it waits, the future has taken nothing.
    fn write(&mut self, data: &[u8]) -> impl Future<Output = Result<usize>> + Send {
        poll_fn(move |cx| self.poll_write(cx, data))
    }

    /// Takes all of `data`.
    ///
    /// # Errors
    /// As [`SendStream::poll_write`].
    ///
    /// # Cancel safety
    /// None: nothing says how much was taken.
    fn write_all(&mut self, data: &[u8]) -> impl Future<Output = Result<()>> + Send {
        async move {
            let mut rest = data;
            while !rest.is_empty() {
                let taken = self.write(rest).await?;
                rest = &rest[taken..];
            }
            Ok(())
        }
    }

    /// Takes all of `data`, without a copy where the library can.
    ///
    /// # Errors
    /// As [`SendStream::poll_write_bytes`].
    ///
    /// # Cancel safety
    /// None: nothing says how much was taken.
    fn write_all_bytes(&mut self, mut data: Bytes) -> impl Future<Output = Result<()>> + Send {
        async move {
            while !data.is_empty() {
                poll_fn(|cx| self.poll_write_bytes(cx, &mut data)).await?;
            }
            Ok(())
        }
    }

    /// Ends the stream after its data (FIN).
    ///
    /// # Errors
    /// As [`SendStream::poll_close`].
    fn close(&mut self) -> impl Future<Output = Result<()>> + Send {
        poll_fn(|cx| self.poll_close(cx))
    }

    /// Waits until the peer wants no more of the stream, and gives its code; `None` when the
    /// stream has ended and the peer has all of it.
    ///
    /// # Errors
    /// As [`SendStream::poll_stopped`].
    fn stopped(&mut self) -> impl Future<Output = Result<Option<u64>>> + Send {
        poll_fn(|cx| self.poll_stopped(cx))
    }
}

impl<S: SendStream + ?Sized> SendStreamExt for S {}
