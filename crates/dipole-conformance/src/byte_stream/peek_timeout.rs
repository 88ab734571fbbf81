//! B7 to B10: the read timeout of a peek.

use std::task::Poll;
use std::time::Duration;

use dipole_net::{Conn, ConnExt, ErrorKind};
use tokio::time::sleep;

use super::traffic::{fill_once, send};
use crate::Case;
use crate::pair::{Pair, on_both_ends};
use crate::random::random_bytes;
use crate::verdict::{Failure, Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{Task, at_once, on_time, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B7",
        sentence: "a read timeout during peek: Err(TimedOut) within timeout + slack, and the bytes \
                   held stay",
        run: |subject| on_both_ends(subject, a_timeout_keeps_what_is_held),
    },
    Case {
        id: "B8",
        sentence: "after a read timeout the connection still reads: once the rest arrives, peek(n) \
                   succeeds",
        run: |subject| on_both_ends(subject, it_reads_on_after_a_timeout),
    },
    Case {
        id: "B9",
        sentence: "one timer spans one peek: a peer that drips bytes does not extend it",
        run: |subject| on_both_ends(subject, drips_do_not_extend_the_timeout),
    },
    Case {
        id: "B10",
        sentence: "data that is already held beats an expired timeout",
        run: |subject| on_both_ends(subject, held_bytes_beat_the_timeout),
    },
];

const TIMEOUT: Duration = Duration::from_millis(100);

async fn a_timeout_keeps_what_is_held(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    conn.set_read_timeout(Some(TIMEOUT));
    let result = on_time("peek(1) of nothing", TIMEOUT, conn.peek(1)).await?;
    expect_error(result, &ErrorKind::TimedOut, "peek(1) of nothing")?;

    let data = random_bytes(7, 10);
    send(&mut peer, &data).await?;
    within("peek(10)", conn.peek(10)).await??;
    let result = on_time("peek(20) of 10 bytes", TIMEOUT, conn.peek(20)).await?;
    expect_error(result, &ErrorKind::TimedOut, "peek(20) of 10 bytes")?;
    expect_equal(conn.len(), 10, "len() after the timeout")?;
    expect_bytes(at_once("peek(10)", conn.peek(10)).await??, &data, "peek(10) after the timeout")
}

async fn it_reads_on_after_a_timeout(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let data = random_bytes(8, 30);
    conn.set_read_timeout(Some(Duration::from_millis(20)));
    for sent in [0, 10, 20] {
        send(&mut peer, &data[sent..sent + 10]).await?;
        // The last ten are still to come, or there would be no timeout.
        let n = if sent == 20 { 30 } else { 25 };
        let result = within("peek", conn.peek(n)).await?;
        match sent {
            20 => expect_bytes(result?, &data, "peek(30) after two timeouts")?,
            _ => drop(expect_error(result, &ErrorKind::TimedOut, "peek(25) of fewer bytes")?),
        }
    }
    Ok(())
}

async fn drips_do_not_extend_the_timeout(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let _drip = Task::start(async move {
        while peer.write_all(b"drip").await.is_ok() {
            sleep(Duration::from_millis(15)).await;
        }
    });
    conn.set_read_timeout(Some(TIMEOUT));
    let result = on_time("peek(200) of a drip", TIMEOUT, conn.peek(200)).await?;
    expect_error(result, &ErrorKind::TimedOut, "peek(200) of a drip")?;
    expect(conn.len() >= 4, || format!("{} bytes held after the timeout of a drip", conn.len()))
}

async fn held_bytes_beat_the_timeout(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    send(&mut peer, b"held").await?;
    within("peek(4)", conn.peek(4)).await??;
    conn.set_read_timeout(Some(Duration::ZERO));
    expect_bytes(at_once("peek(4)", conn.peek(4)).await??, b"held", "peek(4) with no time")?;
    let result = within("peek(5)", conn.peek(5)).await?;
    expect_error(result, &ErrorKind::TimedOut, "peek(5) of 4 with no time")?;
    expect_bytes(at_once("peek(4)", conn.peek(4)).await??, b"held", "peek(4) after a timeout")?;

    // A wait for more whose timer has run out, and then less is enough.
    conn.set_read_timeout(Some(Duration::from_millis(20)));
    expect(fill_once(&mut conn, 5).await.is_pending(), || "a fill of 5 with 4 held is ready")?;
    sleep(Duration::from_millis(50)).await;
    match fill_once(&mut conn, 4).await {
        Poll::Ready(Ok(())) => expect_bytes(conn.buffered(), b"held", "what is held"),
        other => Err(Failure::broken(format_args!(
            "a fill of 4 with 4 held gave {other:?} after its timer ran out"
        ))),
    }
}
