//! Clients that speak no TLS where it is expected.

use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Conn, ConnExt, Error, Result, TlsFault};

/// How long, and how much, a client may still send after the answer.
const PATIENCE: Duration = Duration::from_secs(1);
const MOST_IGNORED: usize = 64 * 1024;

/// Looks at the first byte; to text it says `answer` and fails.
///
/// # Errors
/// `Tls` with [`TlsFault::NotTls`] after an answer, or the connection's own.
pub(crate) async fn answer(conn: &mut dyn Conn, answer: &Bytes) -> Result<()> {
    let first = conn.peek(1).await?[0];
    // The first byte of TLS is 22, a handshake record (RFC 8446 section 5.1); protocols in text
    // begin with a letter. Whatever else comes, rustls refuses.
    if !first.is_ascii_alphabetic() {
        return Ok(());
    }
    conn.write_binary(answer.clone());
    // Unread bytes would make the end a reset, which may take the answer with it. Whether the
    // client takes it all in makes no difference any more.
    let _ = tokio::time::timeout(PATIENCE, finish(conn)).await;
    Err(Error::tls(TlsFault::NotTls, "it speaks a protocol in plain text"))
}

async fn finish(conn: &mut dyn Conn) -> Result<()> {
    conn.shutdown().await?;
    let mut ignored = 0;
    while ignored < MOST_IGNORED {
        let held = conn.len();
        ignored += held;
        conn.skip(held)?;
        conn.release();
        conn.peek(1).await?;
    }
    Ok(())
}
