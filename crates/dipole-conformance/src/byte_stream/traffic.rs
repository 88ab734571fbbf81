//! What most cases send and receive.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Capabilities, Conn, ConnExt, Result};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::random::{Endless, Random};
use crate::verdict::{Verdict, expect};
use crate::waiting::{Task, within};

pub(super) const KIB: usize = 1 << 10;
pub(super) const MIB: usize = 1 << 20;

/// More than the two ends and the network between them take in when nobody reads.
pub(super) const MORE_THAN_FITS: usize = 16 * MIB;

/// A moment in which nothing is to happen, and in which whatever was sent arrives.
pub(super) const MOMENT: Duration = Duration::from_millis(50);

/// Queues `data` and sends it.
pub(super) async fn send(conn: &mut dyn Conn, data: &[u8]) -> Verdict {
    conn.put(data);
    flush(conn).await
}

/// Sends what is queued.
pub(super) async fn flush(conn: &mut dyn Conn) -> Verdict {
    Ok(within("flush", conn.flush()).await??)
}

/// Consumes the next `n` bytes.
pub(super) async fn receive(conn: &mut dyn Conn, n: usize) -> Verdict<Bytes> {
    let bytes = within(format!("read_binary({n})"), conn.read_binary(n)).await??;
    conn.release();
    Ok(bytes)
}

/// Consumes everything until the peer's end.
pub(super) async fn receive_all(conn: &mut dyn Conn) -> Verdict<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * KIB];
    loop {
        match within("read", conn.read(&mut buffer)).await?? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buffer[..n]),
        }
        conn.release();
    }
}

/// Ends the direction from `conn` to its peer, in order: with a half-close where the library has
/// it, and by closing both directions elsewhere.
pub(super) async fn end(conn: &mut dyn Conn, capabilities: &Capabilities) -> Verdict {
    match capabilities.half_close {
        true => within("shutdown", conn.shutdown()).await??,
        false => conn.close(),
    }
    Ok(())
}

/// Lets whatever was sent arrive.
pub(super) async fn moment() {
    sleep(MOMENT).await;
}

/// Fails when a byte or the end comes to `conn` within a moment.
pub(super) async fn expect_silence(conn: &mut dyn Conn, why: &str) -> Verdict {
    let came = timeout(MOMENT, conn.peek(1)).await.is_ok();
    expect(!came, || format!("{} bytes or the end came: {why}", conn.len()))
}

/// Polls a fill once, and does not abandon it.
pub(super) async fn fill_once(conn: &mut dyn Conn, n: usize) -> Poll<Result<()>> {
    poll_fn(|cx| Poll::Ready(conn.poll_fill(cx, n))).await
}

/// Polls a flush once, and does not abandon it.
pub(super) async fn flush_once(conn: &mut dyn Conn) -> Poll<Result<()>> {
    poll_fn(|cx| Poll::Ready(conn.poll_flush(cx))).await
}

/// Sends `stream` from its begin on, in random pieces of up to `longest` bytes, until the other end
/// has gone.
pub(super) fn sender(
    mut conn: Box<dyn Conn>,
    stream: Endless,
    mut random: Random,
    longest: usize,
) -> Task<()> {
    Task::start(async move {
        let mut sent = 0;
        loop {
            let piece = stream.part(sent, random.between(1, longest));
            sent += piece.len();
            match random.one_in(2) {
                true => conn.put(&piece),
                false => conn.write_binary(piece),
            }
            if conn.flush().await.is_err() {
                return;
            }
            yield_now().await;
        }
    })
}
