//! B42 to B44: timeouts that change, and closing from elsewhere.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Conn, ConnExt, Error, ErrorKind};
use tokio::time::{sleep, timeout};

use super::traffic::{MORE_THAN_FITS, expect_silence, fill_once, moment, send};
use crate::Case;
use crate::pair::{End, Pair, on_both_ends};
use crate::shared::Shared;
use crate::stopwatch::Stopwatch;
use crate::verdict::{Failure, Verdict, expect, expect_equal, expect_error};
use crate::waiting::{Task, at_once, expect_on_time, on_time, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B42",
        sentence: "None means no timeout; a newer setting replaces an older at the next operation",
        run: |subject| on_both_ends(subject, the_newest_timeout_holds),
    },
    Case {
        id: "B43",
        sentence: "a read timeout holds for each waiting operation anew: six reads 60 ms apart \
                   pass under 100 ms",
        run: |subject| on_both_ends(subject, each_operation_has_its_own_timeout),
    },
    Case {
        id: "B44",
        sentence: "closing the connection from elsewhere unblocks a pending peek and flush with \
                   Err(Closed)",
        run: |subject| on_both_ends(subject, closing_from_elsewhere_unblocks),
    },
];

const SHORT: Option<Duration> = Some(Duration::from_millis(50));
const LONG: Option<Duration> = Some(Duration::from_secs(10));
/// Long past the short timeout.
const WHILE: Duration = Duration::from_millis(150);

async fn the_newest_timeout_holds(Pair { mut conn, peer, .. }: Pair) -> Verdict {
    still_waits("peek without a timeout", WHILE, pin!(conn.peek(1))).await?;
    conn.set_read_timeout(SHORT);
    conn.set_read_timeout(None);
    still_waits("peek with None after 50 ms", WHILE, pin!(conn.peek(1))).await?;
    conn.set_read_timeout(LONG);
    conn.set_read_timeout(SHORT);
    let result = on_time("peek under 50 ms", Duration::from_millis(50), conn.peek(1)).await?;
    expect_error(result, &ErrorKind::TimedOut, "peek with 50 ms after 10 s")?;

    // The operation that waits keeps what it began with, whether that is shorter or none.
    let watch = Stopwatch::start();
    expect(fill_once(&mut conn, 1).await.is_pending(), || "a fill of nothing is ready")?;
    conn.set_read_timeout(LONG);
    let result = within("a fill under 50 ms", poll_fn(|cx| conn.poll_fill(cx, 1))).await?;
    expect_on_time("a fill under 50 ms", Duration::from_millis(50), watch.took())?;
    expect_error(result, &ErrorKind::TimedOut, "a fill that began under 50 ms")?;
    expect(fill_once(&mut conn, 1).await.is_pending(), || "a fill under 10 s is ready at once")?;
    conn.set_read_timeout(SHORT);
    let fill = poll_fn(|cx| conn.poll_fill(cx, 1));
    still_waits("a fill that began under 10 s", WHILE, pin!(fill)).await?;

    conn.abandon(dipole_net::Side::Read);
    let result = on_time("peek under 50 ms", Duration::from_millis(50), conn.peek(1)).await?;
    expect_error(result, &ErrorKind::TimedOut, "the peek after it")?;

    conn.write_binary(Bytes::from(vec![0; MORE_THAN_FITS]));
    still_waits("flush without a timeout", WHILE, pin!(conn.flush())).await?;
    conn.set_write_timeout(SHORT);
    conn.set_write_timeout(None);
    still_waits("flush with None after 50 ms", WHILE, pin!(conn.flush())).await?;
    conn.set_write_timeout(LONG);
    conn.set_write_timeout(SHORT);
    let result = on_time("flush under 50 ms", Duration::from_millis(50), conn.flush()).await?;
    expect_error(result, &ErrorKind::TimedOut, "flush with 50 ms after 10 s")?;
    drop(peer);
    Ok(())
}

async fn each_operation_has_its_own_timeout(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    const PAUSE: Duration = Duration::from_millis(60);
    const TIMEOUT: Duration = Duration::from_millis(100);
    conn.set_read_timeout(Some(TIMEOUT));
    let writer = Task::start(async move {
        for byte in 0..6 {
            sleep(PAUSE).await;
            peer.write_all(&[byte]).await?;
        }
        Ok::<_, Error>(peer)
    });
    for byte in 0..6 {
        let watch = Stopwatch::start();
        match within("read_byte", conn.read_byte()).await? {
            Ok(seen) => expect_equal(seen, byte, "the byte")?,
            // The writer may have been late; a timeout in its time never is its fault.
            Err(error) if error.is_timeout() => {
                expect_on_time("read_byte until its timeout", TIMEOUT, watch.took())?;
                return Err(Failure::Late(format!("byte {byte} came after its read's timeout")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut peer = writer.join().await??;

    // A peek that was given up takes its timer with it.
    for _ in 0..3 {
        let ended = timeout(PAUSE, conn.peek(1)).await.is_ok();
        expect(!ended, || "a peek ended within 60 ms under a timeout of 100 ms")?;
    }
    send(&mut peer, b"x").await?;
    within("peek(1)", conn.peek(1)).await??;
    Ok(())
}

async fn closing_from_elsewhere_unblocks(
    Pair { mut conn, mut peer, mut place, .. }: Pair,
) -> Verdict {
    // Both directions wait, in a task each.
    let closer = conn.closer();
    conn.write_binary(Bytes::from(vec![0; MORE_THAN_FITS]));
    let shared = Shared::new(conn);
    let (reader, writer) = (shared.clone(), shared.clone());
    let fill = Task::start(async move { reader.fill(1).await });
    let flush = Task::start(async move { writer.flush().await });
    moment().await;
    expect(!fill.is_finished() && !flush.is_finished(), || "a fill or flush did not wait")?;
    closer.clone().close();
    closer.close();
    let result = within("the pending peek of a closed connection", fill.join()).await??;
    expect_error(result, &ErrorKind::Closed, "the pending peek")?;
    let result = within("the pending flush of a closed connection", flush.join()).await??;
    expect_error(result, &ErrorKind::Closed, "the pending flush")?;
    expect(closer.is_closed(), || "is_closed() is false after close")?;
    drop(shared);
    // The peer reads what was under way, and then the end of one kind or the other.
    let mut buffer = vec![0; 1 << 16];
    while let Ok(1..) = within("the peer's read", peer.read(&mut buffer)).await? {}

    // One direction alone, in an await of one task, closed by another.
    for end in [End::Dialed, End::Accepted] {
        let (mut conn, _peer) = end.of(place.connect().await?);
        let closer = conn.closer();
        let close = Task::start(async move {
            moment().await;
            closer.close();
        });
        let result = within("a peek that is closed from elsewhere", conn.peek(1)).await?;
        expect_error(result, &ErrorKind::Closed, "a peek that is closed from elsewhere")?;
        close.join().await?;
        conn.put(b"x");
        let result = at_once("a flush after it", conn.flush()).await?;
        expect_error(result, &ErrorKind::Closed, "a flush after it")?;
        let result = at_once("a peek after it", conn.peek(1)).await?;
        expect_error(result, &ErrorKind::Closed, "a peek after it")?;
    }

    // A handle that is dropped closes nothing.
    let (mut dialed, mut accepted) = place.connect().await?;
    drop(dialed.closer());
    expect_silence(&mut accepted, "after a closer was dropped").await?;
    send(&mut accepted, b"x").await?;
    within("peek(1)", dialed.peek(1)).await??;
    Ok(())
}
