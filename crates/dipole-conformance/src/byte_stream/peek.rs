//! B1 to B6, B11, B12: peeking.

use std::pin::pin;
use std::time::Duration;

use dipole_net::{Conn, ConnExt, ErrorKind};

use super::traffic::{KIB, MIB, MOMENT, end, fill_once, moment, send, sender};
use crate::Case;
use crate::pair::{Pair, on_both_ends};
use crate::process::resident_memory;
use crate::random::{Endless, Random, random_bytes};
use crate::verdict::{Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{Task, at_once, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B1",
        sentence: "peek(n) with n bytes held gives exactly the next n; len() and a second peek are \
                   unchanged",
        run: |subject| on_both_ends(subject, held_bytes_are_shown),
    },
    Case {
        id: "B2",
        sentence: "peek(0) is empty and does no I/O",
        run: |subject| on_both_ends(subject, nothing_is_shown_without_io),
    },
    Case {
        id: "B3",
        sentence: "peek(n) with fewer held waits until n are there, also when they arrive one byte \
                   at a time",
        run: |subject| on_both_ends(subject, it_waits_for_the_last_byte),
    },
    Case {
        id: "B4",
        sentence: "peek works far past any internal buffer (tried at 16 MiB) and the bytes are \
                   contiguous",
        run: |subject| on_both_ends(subject, a_long_peek_is_contiguous),
    },
    Case {
        id: "B5",
        sentence: "k < n bytes, then the peer's end: Err(Eof); the k bytes stay, and peek(k) then \
                   succeeds",
        run: |subject| on_both_ends(subject, bytes_before_the_end_stay),
    },
    Case {
        id: "B6",
        sentence: "nothing, then the peer's end: Err(Eof), again each time it is asked",
        run: |subject| on_both_ends(subject, the_end_is_seen_each_time),
    },
    Case {
        id: "B11",
        sentence: "ten thousand peeks across chunk borders, each followed by skip and release, do \
                   not grow memory",
        run: |subject| on_both_ends(subject, many_peeks_do_not_grow_memory),
    },
    Case {
        id: "B12",
        sentence: "a peek after skip never shows a skipped byte",
        run: |subject| on_both_ends(subject, skipped_bytes_are_gone),
    },
];

async fn held_bytes_are_shown(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let data = random_bytes(1, 1000);
    send(&mut peer, &data).await?;
    expect_bytes(within("peek(1000)", conn.peek(1000)).await??, &data, "peek(1000)")?;
    for n in [1, 7, 500, 999, 1000, 1] {
        for time in ["first", "second"] {
            let what = format!("the {time} peek({n}) of 1000 held");
            let held = conn.len();
            expect_bytes(at_once(&what, conn.peek(n)).await??, &data[..n], &what)?;
            expect_equal(conn.len(), held, format_args!("len() after {what}"))?;
        }
    }
    conn.skip(300)?;
    expect_bytes(at_once("peek", conn.peek(200)).await??, &data[300..500], "peek(200) after skip")
}

async fn nothing_is_shown_without_io(
    Pair { mut conn, mut peer, capabilities, .. }: Pair,
) -> Verdict {
    expect_bytes(at_once("peek(0)", conn.peek(0)).await??, b"", "peek(0) of nothing")?;
    send(&mut peer, b"0123456789").await?;
    moment().await;
    let before = (conn.len(), conn.stats().received);
    expect_bytes(at_once("peek(0)", conn.peek(0)).await??, b"", "peek(0)")?;
    let after = (conn.len(), conn.stats().received);
    expect_equal(after, before, "len() and stats().received after peek(0)")?;
    within("peek(10)", conn.peek(10)).await??;
    expect_bytes(at_once("peek(0)", conn.peek(0)).await??, b"", "peek(0) of 10 held")?;
    expect_equal(conn.len(), 10, "len()")?;
    end(&mut peer, &capabilities).await?;
    moment().await;
    expect_bytes(at_once("peek(0)", conn.peek(0)).await??, b"", "peek(0) after the end")
}

async fn it_waits_for_the_last_byte(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let data = random_bytes(3, 40);
    for part in [&data[..20], &data[20..]] {
        {
            let mut peek = pin!(conn.peek(20));
            for (count, byte) in part.iter().enumerate() {
                let what = format!("peek(20) with {count} bytes sent");
                still_waits(what, Duration::from_millis(2), peek.as_mut()).await?;
                send(&mut peer, &[*byte]).await?;
            }
            expect_bytes(within("peek(20)", peek).await??, part, "peek(20)")?;
        }
        conn.skip(20)?;
    }
    Ok(())
}

async fn a_long_peek_is_contiguous(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let data = random_bytes(4, 16 * MIB);
    let sent = data.clone();
    let writer = Task::start(async move {
        peer.write_binary(sent);
        // The end comes when the peer is dropped, so it is kept until everything was seen.
        peer.flush().await.map(|()| peer)
    });
    let seen = within("peek(16 MiB)", conn.peek(16 * MIB)).await??;
    expect_bytes(seen, &data, "peek(16 MiB)")?;
    expect_equal(conn.len(), 16 * MIB, "len()")?;
    conn.skip(1000)?;
    let rest = at_once("peek of the rest", conn.peek(16 * MIB - 1000)).await??;
    expect_bytes(rest, &data[1000..], "peek of the rest")?;
    drop(writer.join().await??);
    Ok(())
}

async fn bytes_before_the_end_stay(Pair { mut conn, mut peer, capabilities, .. }: Pair) -> Verdict {
    let data = random_bytes(5, 10);
    send(&mut peer, &data).await?;
    end(&mut peer, &capabilities).await?;
    for _ in 0..2 {
        let result = within("peek(20)", conn.peek(20)).await?;
        expect_error(result, &ErrorKind::Eof, "peek(20) of 10 bytes and the end")?;
        expect_equal(conn.len(), 10, "len() after the end")?;
        expect_bytes(at_once("peek(10)", conn.peek(10)).await??, &data, "peek(10)")?;
    }
    expect_bytes(&conn.split(10)?, &data, "split(10) after the end")
}

async fn the_end_is_seen_each_time(Pair { mut conn, mut peer, capabilities, .. }: Pair) -> Verdict {
    {
        let mut peek = pin!(conn.peek(1));
        still_waits("peek(1) of nothing", MOMENT, peek.as_mut()).await?;
        end(&mut peer, &capabilities).await?;
        let result = within("peek(1) after the end", peek).await?;
        expect_error(result, &ErrorKind::Eof, "peek(1) that waited for the end")?;
    }
    for n in [1, 2, 1, 1000] {
        let result = within(format!("peek({n}) after the end"), conn.peek(n)).await?;
        expect_error(result, &ErrorKind::Eof, format_args!("peek({n}) again"))?;
        expect_equal(conn.len(), 0, "len()")?;
        conn.release();
    }
    Ok(())
}

async fn many_peeks_do_not_grow_memory(Pair { mut conn, peer, .. }: Pair) -> Verdict {
    const SLACK: usize = 256 * KIB;
    // 80 MiB pass through: a leak of what was released would be far above this.
    const GROWTH: usize = 24 * MIB;
    let stream = Endless::new(11);
    let mut random = Random::new(11);
    let _sender = sender(peer, stream.clone(), random.clone(), 16 * KIB);
    let resident = resident_memory();
    let mut read = 0;
    for _ in 0..10_000 {
        let n = random.between(1, 16 * KIB);
        let seen = within("peek", conn.peek(n)).await??;
        expect_bytes(seen, &stream.part(read, n), format_args!("peek({n}) at {read}"))?;
        conn.skip(n)?;
        conn.release();
        read += n;
        let (held, memory) = (conn.len(), conn.stats().input_memory);
        expect(memory <= held + SLACK, || {
            format!("after {read} bytes, {held} unread, input memory is {memory}")
        })?;
    }
    let growth = resident_memory().zip(resident).map_or(0, |(now, then)| now.saturating_sub(then));
    expect(growth <= GROWTH, || format!("the process grew by {growth} bytes over {read} read"))
}

async fn skipped_bytes_are_gone(Pair { mut conn, peer, .. }: Pair) -> Verdict {
    let stream = Endless::new(12);
    let mut random = Random::new(12);
    let _sender = sender(peer, stream.clone(), random.clone(), 700);
    let mut read = 0;
    for _ in 0..2000 {
        let n = random.between(1, 1000);
        let seen = within("peek", conn.peek(n)).await??;
        expect_bytes(seen, &stream.part(read, n), format_args!("peek({n}) after skip to {read}"))?;
        let skipped = random.between(0, conn.len());
        conn.skip(skipped)?;
        read += skipped;
        let held = conn.buffered().len().min(Endless::LONGEST);
        let shown = &conn.buffered()[..held];
        expect_bytes(shown, &stream.part(read, held), format_args!("buffered() at {read}"))?;
        match random.between(0, 3) {
            0 => conn.release(),
            // A waiting peek in between may move the bytes that are held.
            1 => drop(fill_once(&mut conn, held + 1).await),
            _ => {}
        }
    }
    Ok(())
}
