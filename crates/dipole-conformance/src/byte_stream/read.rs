//! B24 to B28: read_byte, read_binary, read, and all of them mixed.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Conn, ConnExt, Error, ErrorKind};

use super::traffic::{KIB, MIB, MOMENT, end, receive, send};
use crate::Case;
use crate::pair::{Pair, on_both_ends};
use crate::random::{Random, random_bytes};
use crate::verdict::{Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{Task, at_once, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B24",
        sentence: "read_byte gives bytes in order, Err(Eof) at the end",
        run: |subject| on_both_ends(subject, single_bytes_come_in_order),
    },
    Case {
        id: "B25",
        sentence: "read_binary(n) is owned and exact",
        run: |subject| on_both_ends(subject, read_binary_is_exact),
    },
    Case {
        id: "B26",
        sentence: "a short read_binary (end or timeout) consumes nothing",
        run: |subject| on_both_ends(subject, a_short_read_binary_consumes_nothing),
    },
    Case {
        id: "B27",
        sentence: "read(buf) returns with at least one byte as soon as there is one, and never \
                   waits to fill buf; read(empty) is 0; at the end it is 0, each time",
        run: |subject| on_both_ends(subject, read_takes_what_is_there),
    },
    Case {
        id: "B28",
        sentence: "peek, read, read_byte, read_binary, skip mixed at random give exactly the \
                   peer's bytes in order",
        run: |subject| on_both_ends(subject, mixed_reads_are_in_order),
    },
];

async fn single_bytes_come_in_order(
    Pair { mut conn, mut peer, capabilities, .. }: Pair,
) -> Verdict {
    let data = random_bytes(24, 3000);
    send(&mut peer, &data[..1000]).await?;
    for (at, byte) in data.iter().enumerate() {
        if at == 500 {
            send(&mut peer, &data[1000..]).await?;
        }
        let seen = within("read_byte", conn.read_byte()).await??;
        expect_equal(seen, *byte, format_args!("the byte at {at}"))?;
        if at % 7 == 0 {
            conn.release();
        }
    }
    end(&mut peer, &capabilities).await?;
    for _ in 0..2 {
        let result = within("read_byte", conn.read_byte()).await?;
        expect_error(result, &ErrorKind::Eof, "read_byte at the end")?;
    }
    Ok(())
}

async fn read_binary_is_exact(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    const SIZES: [usize; 8] = [0, 1, 4095, 4096, 4097, 100_000, MIB, 1];
    let data = random_bytes(25, SIZES.iter().sum());
    let sent = data.clone();
    let writer = Task::start(async move {
        peer.write_binary(sent);
        peer.flush().await.map(|()| peer)
    });
    let mut at = 0;
    let mut owned: Vec<Bytes> = Vec::new();
    for size in SIZES {
        owned.push(within("read_binary", conn.read_binary(size)).await??);
        at += size;
    }
    expect_equal(conn.len(), 0, "len() after everything was read")?;
    expect_equal(at, data.len(), "what was read")?;
    at = 0;
    for (size, slice) in SIZES.into_iter().zip(owned) {
        expect_bytes(&slice, &data[at..at + size], format_args!("read_binary({size}) at {at}"))?;
        at += size;
    }
    drop(writer.join().await??);
    expect_bytes(&at_once("read_binary(0)", conn.read_binary(0)).await??, b"", "read_binary(0)")
}

async fn a_short_read_binary_consumes_nothing(
    Pair { mut conn, mut peer, capabilities, .. }: Pair,
) -> Verdict {
    let data = random_bytes(26, 10);
    send(&mut peer, &data).await?;
    conn.set_read_timeout(Some(Duration::from_millis(30)));
    for _ in 0..2 {
        let result = within("read_binary(20)", conn.read_binary(20)).await?;
        expect_error(result, &ErrorKind::TimedOut, "read_binary(20) of 10 bytes")?;
        expect_bytes(conn.buffered(), &data, "what is held after a timeout")?;
    }
    conn.set_read_timeout(None);
    end(&mut peer, &capabilities).await?;
    for _ in 0..2 {
        let result = within("read_binary(20)", conn.read_binary(20)).await?;
        expect_error(result, &ErrorKind::Eof, "read_binary(20) of 10 bytes and the end")?;
        expect_bytes(conn.buffered(), &data, "what is held at the end")?;
    }
    expect_bytes(&receive(&mut conn, 10).await?, &data, "read_binary(10) at the end")
}

async fn read_takes_what_is_there(Pair { mut conn, mut peer, capabilities, .. }: Pair) -> Verdict {
    let mut buffer = [0; 100];
    expect_equal(at_once("read(empty)", conn.read(&mut [])).await??, 0, "read(empty)")?;
    {
        let mut read = pin!(conn.read(&mut buffer));
        still_waits("read of nothing", MOMENT, read.as_mut()).await?;
        send(&mut peer, b"x").await?;
        expect_equal(within("read of one byte", read).await??, 1, "read of one byte")?;
    }
    expect_bytes(&buffer[..1], b"x", "what was read")?;

    send(&mut peer, b"0123456789").await?;
    within("peek(10)", conn.peek(10)).await??;
    expect_equal(at_once("read(empty)", conn.read(&mut [])).await??, 0, "read(empty) of 10")?;
    expect_equal(at_once("read", conn.read(&mut buffer[..3])).await??, 3, "read of 3 of 10")?;
    expect_bytes(&buffer[..3], b"012", "what was read")?;
    expect_equal(at_once("read", conn.read(&mut buffer)).await??, 7, "read of 100 of 7")?;
    expect_bytes(&buffer[..7], b"3456789", "what was read")?;

    end(&mut peer, &capabilities).await?;
    for _ in 0..3 {
        expect_equal(within("read", conn.read(&mut buffer)).await??, 0, "read at the end")?;
    }
    expect_equal(at_once("read(empty)", conn.read(&mut [])).await??, 0, "read(empty) at the end")
}

async fn mixed_reads_are_in_order(Pair { mut conn, mut peer, capabilities, .. }: Pair) -> Verdict {
    const SEED: u64 = 28;
    let data = random_bytes(SEED, MIB);
    let mut random = Random::new(SEED);
    let (sent, mut sizes) = (data.clone(), random.clone());
    let writer = Task::start(async move {
        let mut at = 0;
        while at < sent.len() {
            let n = sizes.between(1, 5000).min(sent.len() - at);
            peer.write_all(&sent[at..at + n]).await?;
            at += n;
            tokio::task::yield_now().await;
        }
        match capabilities.half_close {
            true => peer.shutdown().await?,
            false => peer.close(),
        }
        Ok::<_, Error>(peer)
    });
    let mut at = 0;
    while at < data.len() {
        at += one_read(&mut conn, &mut random, &data[at..])
            .await
            .map_err(|failure| failure.of(format_args!("seed {SEED}, byte {at}")))?;
    }
    let result = within("peek(1)", conn.peek(1)).await?;
    expect_error(result, &ErrorKind::Eof, "peek(1) after the last byte")?;
    drop(writer.join().await??);
    Ok(())
}

/// Reads some of `rest` in one of the ways there are; gives how much was consumed.
async fn one_read(conn: &mut Box<dyn Conn>, random: &mut Random, rest: &[u8]) -> Verdict<usize> {
    let n = random.between(1, 3000).min(rest.len());
    let expected = &rest[..n];
    match random.between(0, 6) {
        0 => {
            expect_bytes(within("peek", conn.peek(n)).await??, expected, "peek")?;
            Ok(0)
        }
        1 => {
            let mut buffer = vec![0; n.div_ceil(4 * random.between(1, KIB))];
            let read = within("read", conn.read(&mut buffer)).await??;
            expect(read > 0, || "read gave 0 before the end")?;
            expect_bytes(&buffer[..read], &rest[..read], "read")?;
            Ok(read)
        }
        2 => {
            expect_equal(within("read_byte", conn.read_byte()).await??, rest[0], "read_byte")?;
            Ok(1)
        }
        3 => {
            let seen = within("read_binary", conn.read_binary(n)).await??;
            expect_bytes(&seen, expected, "read_binary")?;
            Ok(n)
        }
        4 => {
            let held = n.min(conn.len());
            conn.skip(held)?;
            Ok(held)
        }
        5 => {
            within("skip_all", conn.skip_all(n)).await??;
            Ok(n)
        }
        _ => {
            conn.release();
            Ok(0)
        }
    }
}
