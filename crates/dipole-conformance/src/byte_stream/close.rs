//! B45 to B50: the ends of a connection.

use std::pin::pin;

use dipole_net::{Conn, ConnExt, Error, ErrorKind};

use super::traffic::{KIB, MIB, MOMENT, moment, receive, receive_all, send};
use crate::Case;
use crate::pair::{GONE, Pair, needs_half_close, on_both_ends, on_every_address};
use crate::random::random_bytes;
use crate::verdict::{Failure, Verdict, expect_bytes, expect_equal, expect_error, expect_error_of};
use crate::waiting::{Task, at_once, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B45",
        sentence: "peer writes then closes: every byte arrives, then Err(Eof)",
        run: |subject| on_every_address(subject, all_arrives_before_the_end),
    },
    Case {
        id: "B46",
        sentence: "peer half-closes: reads end, writes still arrive",
        run: |subject| on_every_address(subject, writes_go_on_after_the_peers_end),
    },
    Case {
        id: "B47",
        sentence: "our half-close (shutdown): the peer sees the end, we still read",
        run: |subject| on_every_address(subject, reads_go_on_after_shutdown),
    },
    Case {
        id: "B48",
        sentence: "a reset is Err(Reset), not Err(Eof)",
        run: |subject| on_every_address(subject, a_reset_is_no_end),
    },
    Case {
        id: "B49",
        sentence: "closing twice is Ok",
        run: |subject| on_both_ends(subject, closing_twice_is_fine),
    },
    Case {
        id: "B50",
        sentence: "any use after our own close is Err(Closed), without panic",
        run: |subject| on_both_ends(subject, nothing_works_after_close),
    },
];

async fn all_arrives_before_the_end(
    Pair { mut conn, mut peer, end, mut place, .. }: Pair,
) -> Verdict {
    let data = random_bytes(45, MIB);
    for by_drop in [false, true] {
        let sent = data.clone();
        let writer = Task::start(async move {
            peer.write_binary(sent);
            peer.flush().await?;
            match by_drop {
                true => drop(peer),
                false => peer.close(),
            }
            Ok::<_, Error>(())
        });
        expect_bytes(&receive_all(&mut conn).await?, &data, "what arrived before the end")?;
        let result = within("peek(1)", conn.peek(1)).await?;
        expect_error(result, &ErrorKind::Eof, "peek(1) after the peer closed")?;
        writer.join().await??;
        (conn, peer) = end.of(place.connect().await?);
    }
    Ok(())
}

async fn writes_go_on_after_the_peers_end(
    Pair { mut conn, mut peer, capabilities, .. }: Pair,
) -> Verdict {
    needs_half_close(&capabilities)?;
    within("shutdown", peer.shutdown()).await??;
    let result = within("peek(1)", conn.peek(1)).await?;
    expect_error(result, &ErrorKind::Eof, "peek(1) after the peer's half-close")?;
    let data = random_bytes(46, MIB);
    let sent = data.clone();
    let writer = Task::start(async move {
        conn.write_binary(sent);
        conn.flush().await?;
        conn.shutdown().await.map(|()| conn)
    });
    let arrived = receive_all(&mut peer).await?;
    expect_bytes(&arrived, &data, "what arrived at a peer that had half-closed")?;
    drop(writer.join().await??);
    Ok(())
}

async fn reads_go_on_after_shutdown(
    Pair { mut conn, mut peer, capabilities, .. }: Pair,
) -> Verdict {
    needs_half_close(&capabilities)?;
    conn.put(b"queued before shutdown");
    within("shutdown", conn.shutdown()).await??;
    within("a second shutdown", conn.shutdown()).await??;
    let arrived = receive_all(&mut peer).await?;
    expect_bytes(&arrived, b"queued before shutdown", "what arrived before the end")?;

    let data = random_bytes(47, 100 * KIB);
    let sent = data.clone();
    let writer = Task::start(async move {
        peer.write_binary(sent);
        peer.flush().await.map(|()| peer)
    });
    let seen = receive(&mut conn, data.len()).await?;
    expect_bytes(&seen, &data, "what was read after our own shutdown")?;
    let mut peer = writer.join().await??;
    still_waits("a peek after it", MOMENT, pin!(conn.peek(1))).await?;
    within("the peer's shutdown", peer.shutdown()).await??;
    let result = within("peek(1)", conn.peek(1)).await?;
    expect_error(result, &ErrorKind::Eof, "peek(1) with both directions ended")?;
    Ok(())
}

async fn a_reset_is_no_end(
    Pair { mut conn, mut peer, capabilities, mut place, .. }: Pair,
) -> Verdict {
    if !capabilities.reset {
        return Err(Failure::not_applicable("reset"));
    }
    if place.address.scheme() == "unix" {
        // A Unix socket cannot send a reset: `reset` is as `close` there.
        return Ok(());
    }
    {
        let mut peek = pin!(conn.peek(1));
        still_waits("peek(1)", MOMENT, peek.as_mut()).await?;
        peer.reset();
        let result = within("a peek when the peer resets", peek).await?;
        expect_error(result, &ErrorKind::Reset, "a pending peek when the peer resets")?;
    }
    for _ in 0..3 {
        let result = within("peek", conn.peek(1)).await?;
        expect_error(result, &ErrorKind::Reset, "peek(1) after a reset")?;
    }
    let result = within("read", conn.read(&mut [0; 10])).await?;
    expect_error(result, &ErrorKind::Reset, "read after a reset")?;
    conn.put(b"x");
    let result = within("flush", conn.flush()).await?;
    expect_error_of(result, GONE, "flush after a reset")?;

    // Nobody waits while it comes, and each end has bytes for the other.
    let (mut dialed, mut accepted) = place.connect().await?;
    send(&mut dialed, b"never read").await?;
    moment().await;
    accepted.put(b"never sent");
    accepted.reset();
    moment().await;
    let result = within("peek", dialed.peek(1)).await?;
    expect_error(result, &ErrorKind::Reset, "peek(1) after a reset with bytes unread")?;
    Ok(())
}

async fn closing_twice_is_fine(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    conn.put(b"unsent");
    conn.close();
    conn.close();
    conn.reset();
    conn.close();
    let result = within("the peer's peek", peer.peek(1)).await?;
    expect_error_of(result, &[ErrorKind::Eof, ErrorKind::Reset], "the peer's peek")?;
    peer.close();
    conn.close();
    peer.close();
    Ok(())
}

async fn nothing_works_after_close(
    Pair { mut conn, mut peer, end, mut place, .. }: Pair,
) -> Verdict {
    send(&mut peer, b"unread").await?;
    within("peek(6)", conn.peek(6)).await??;
    conn.put(b"unsent");
    conn.close();
    is_closed(&mut conn).await.map_err(|failure| failure.of("after close"))?;

    let (mut conn, _peer) = end.of(place.connect().await?);
    conn.reset();
    is_closed(&mut conn).await.map_err(|failure| failure.of("after reset"))
}

async fn is_closed(conn: &mut Box<dyn Conn>) -> Verdict {
    const CLOSED: &ErrorKind = &ErrorKind::Closed;
    for _ in 0..2 {
        expect_equal(conn.len(), 0, "len()")?;
        expect_error(at_once("peek", conn.peek(1)).await?, CLOSED, "peek(1)")?;
        expect_error(at_once("skip_all", conn.skip_all(1)).await?, CLOSED, "skip_all(1)")?;
        expect_error(at_once("read_byte", conn.read_byte()).await?, CLOSED, "read_byte")?;
        expect_error(at_once("read_binary", conn.read_binary(9)).await?, CLOSED, "read_binary(9)")?;
        let mut buffer = [0; 10];
        expect_error(at_once("read", conn.read(&mut buffer)).await?, CLOSED, "read")?;
        expect_error(at_once("flush", conn.flush()).await?, CLOSED, "an empty flush")?;
        let written = at_once("write_all", conn.write_all(b"x")).await?;
        expect_error(written, CLOSED, "write_all")?;
        expect_error(at_once("shutdown", conn.shutdown()).await?, CLOSED, "shutdown")?;
        let no_bytes = &[ErrorKind::Closed, ErrorKind::InvalidInput];
        expect_error_of(conn.skip(1), no_bytes, "skip(1)")?;
        expect_error_of(conn.split(1), no_bytes, "split(1)")?;
        expect_equal(conn.malloc(10).len(), 10, "the length of malloc's slice")?;
        conn.release();
        conn.set_read_timeout(None);
        conn.set_write_timeout(None);
        conn.abandon(dipole_net::Side::Read);
        conn.abandon(dipole_net::Side::Write);
        conn.closer().close();
        _ = (conn.queued(), conn.stats(), conn.tls().is_some());
    }
    Ok(())
}
