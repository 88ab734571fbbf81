//! What tunnels have in common: reading an answer that a parser recognises, and one deadline.

use std::time::Duration;

use dipole_net::{Conn, ConnExt as _, Error, ErrorKind, Result};

/// Reads until `parse` recognises an answer, and consumes its bytes; what comes after it stays.
///
/// `parse` gives the answer and its length, or `None` when more has to come.
pub(crate) async fn answer<T>(
    conn: &mut dyn Conn,
    limit: usize,
    mut parse: impl FnMut(&[u8]) -> Result<Option<(T, usize)>> + Send,
) -> Result<T> {
    loop {
        if let Some((answer, len)) = parse(conn.buffered())? {
            conn.skip(len)?;
            conn.release();
            return Ok(answer);
        }
        let held = conn.len();
        if held >= limit {
            return Err(refused("the proxy's answer has no end"));
        }
        conn.peek(held + 1).await.map_err(|error| {
            if error.is_eof() { refused("the proxy closed the connection") } else { error }
        })?;
    }
}

/// The proxy did not do what it was asked.
pub(crate) fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::with_message(ErrorKind::Refused, message)
}

/// `dial`, which may take no longer than `timeout`; `None` is no limit.
pub(crate) async fn within<T>(
    timeout: Option<Duration>,
    dial: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    match timeout {
        None => dial.await,
        Some(timeout) => tokio::time::timeout(timeout, dial)
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
    }
}
