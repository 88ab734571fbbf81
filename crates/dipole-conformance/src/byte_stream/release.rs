//! B19 to B23: giving memory back, and slices that outlive it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dipole_net::{Conn, ConnExt, ErrorKind};
use tokio::time::sleep;

use super::traffic::{KIB, MIB, end, fill_once, receive, send, sender};
use crate::pair::{Pair, Rendezvous, on_both_ends, once};
use crate::process::{open_descriptors, raise_descriptor_limit, resident_memory};
use crate::random::{Endless, Random, random_bytes};
use crate::verdict::{Failure, Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{Task, at_once, within};
use crate::{Case, Subject};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B19",
        sentence: "release is idempotent, also at len 0 and after the connection has ended",
        run: |subject| on_both_ends(subject, release_is_idempotent),
    },
    Case {
        id: "B20",
        sentence: "release keeps unread bytes",
        run: |subject| on_both_ends(subject, release_keeps_unread_bytes),
    },
    Case {
        id: "B21",
        sentence: "at len 0 release gives the whole read buffer back: 10,000 idle connections hold \
                   no read buffer",
        run: |subject| once(subject, idle_connections_hold_no_buffer),
    },
    Case {
        id: "B22",
        sentence: "1 MiB read in 1 KiB pieces with release each time allocates no more than 64 KiB",
        run: |subject| on_both_ends(subject, small_pieces_need_little_memory),
    },
    Case {
        id: "B23",
        sentence: "an owned slice from split / read_binary stays intact after skip, release, \
                   further reads, and the connection's drop, on any thread",
        run: |subject| on_both_ends(subject, owned_slices_stay_intact),
    },
];

async fn release_is_idempotent(Pair { mut conn, mut peer, capabilities, .. }: Pair) -> Verdict {
    conn.release();
    conn.release();
    let data = random_bytes(19, 100);
    send(&mut peer, &data).await?;
    within("peek(100)", conn.peek(100)).await??;
    let mut consumed = 0;
    for n in [0, 20, 40] {
        conn.skip(n)?;
        consumed += n;
        for _ in 0..3 {
            conn.release();
            let seen = at_once("peek of the rest", conn.peek(100 - consumed)).await??;
            expect_bytes(seen, &data[consumed..], "the rest after release")?;
        }
    }
    conn.skip(40)?;
    conn.release();
    conn.release();
    end(&mut peer, &capabilities).await?;
    for _ in 0..2 {
        let result = within("peek(1)", conn.peek(1)).await?;
        expect_error(result, &ErrorKind::Eof, "peek(1) after release")?;
        conn.release();
        conn.release();
        expect_equal(conn.len(), 0, "len() after release")?;
    }
    conn.close();
    conn.release();
    conn.release();
    Ok(())
}

async fn release_keeps_unread_bytes(Pair { mut conn, peer, .. }: Pair) -> Verdict {
    let stream = Endless::new(20);
    let mut random = Random::new(20);
    let _sender = sender(peer, stream.clone(), random.clone(), 5000);
    let mut read = 0;
    for _ in 0..2000 {
        within("peek", conn.peek(random.between(1, 4000))).await??;
        let consumed = random.between(0, conn.len());
        conn.skip(consumed)?;
        read += consumed;
        let held = conn.len();
        conn.release();
        expect_equal(conn.len(), held, "len() after release")?;
        let shown = held.min(Endless::LONGEST);
        let seen = at_once("peek of what was held", conn.peek(shown)).await??;
        expect_bytes(seen, &stream.part(read, shown), format_args!("after release at {read}"))?;
    }
    Ok(())
}

async fn idle_connections_hold_no_buffer(subject: Arc<Subject>) -> Verdict {
    // An end's own state and its registration with the event source, but no buffer: a small
    // buffer would be 4 KiB.
    const PER_END: usize = 4 * KIB;
    // A session of TLS is some 3 KiB of keys, ciphers' state and certificates, whoever holds it: what
    // leaves no room for it in the above is a quarter of a small buffer.
    const PER_SESSION: usize = KIB;
    const NOISE: usize = 8 * MIB;
    // What bytes that came and are gone may leave behind, of all ends together, once each end has
    // passed a first byte: pools have a bound, and the allocator rests. With TLS as without.
    const LEFT: usize = 2 * MIB;
    const MESSAGE: [u8; 1000] = [b'm'; 1000];
    // What a library has once for all connections is in use by then.
    const WARM_UP: usize = 4000;
    let mut place = Rendezvous::new(&subject).await?;
    let count = connections_that_fit(&mut place).await?.min(10_000);
    let mut idle = Vec::with_capacity(2 * count);
    let resident = resident_memory();
    for number in 0..count {
        let (mut dialed, mut accepted) = place
            .connect()
            .await
            .map_err(|failure| failure.of(format_args!("of {number} open")))?;
        let times = if number == 0 { WARM_UP } else { 0 };
        for _ in 0..times {
            there_and_back(&mut dialed, &mut accepted, &MESSAGE).await?;
        }
        there_and_back(&mut dialed, &mut accepted, b"1").await?;
        idle.extend([dialed, accepted]);
    }
    let untouched = resident_memory();
    for ends in idle.chunks_mut(2) {
        let [dialed, accepted] = ends else { continue };
        there_and_back(dialed, accepted, &MESSAGE).await?;
    }
    for conn in &mut idle {
        expect_equal(conn.stats().input_memory, 0, "input memory after release")?;
        expect(fill_once(&mut *conn, 1).await.is_pending(), || "an idle connection is readable")?;
        expect_equal(conn.stats().input_memory, 0, "input memory of a connection that waits")?;
    }
    let Some((now, then)) = resident_memory().zip(resident) else {
        return Ok(());
    };
    let left = now.saturating_sub(untouched.unwrap_or(now));
    expect(left <= LEFT, || {
        format!("what came and is gone has left {left} bytes at {} idle ends", idle.len())
    })?;
    let growth = now.saturating_sub(then);
    let sessions = idle.iter().filter(|conn| conn.tls().is_some()).count();
    let most = idle.len() * PER_END + sessions * PER_SESSION + NOISE;
    expect(growth <= most, || {
        let each = growth / idle.len();
        format!("{} idle ends hold {growth} bytes, {each} each", idle.len())
    })
}

/// Each end releases what it has read.
async fn there_and_back(
    dialed: &mut Box<dyn Conn>,
    accepted: &mut Box<dyn Conn>,
    message: &[u8],
) -> Verdict {
    send(dialed, message).await?;
    receive(accepted, message.len()).await?;
    send(accepted, message).await?;
    receive(dialed, message.len()).await.map(drop)
}

/// How many connections this process has descriptors for, both ends being its own and each taking
/// as many as the first one does.
async fn connections_that_fit(place: &mut Rendezvous) -> Verdict<usize> {
    const SPARE: usize = 100;
    let limit = raise_descriptor_limit();
    // A library may close what earlier cases had open a moment later.
    let mut before = open_descriptors().unwrap_or(0);
    for _ in 0..100 {
        sleep(Duration::from_millis(20)).await;
        let now = open_descriptors().unwrap_or(0);
        if std::mem::replace(&mut before, now) == now {
            break;
        }
    }
    let connection = place.connect().await?;
    let open = open_descriptors().unwrap_or(0);
    drop(connection);
    let (Some(limit), each @ 1..) = (limit, open.saturating_sub(before)) else {
        return Ok(usize::MAX);
    };
    Ok(limit.saturating_sub(before + SPARE) / each)
}

async fn small_pieces_need_little_memory(Pair { mut conn, peer, .. }: Pair) -> Verdict {
    // Much more than the statement's 1 MiB passes, so that the process shows what a library hides.
    const TOTAL: usize = 32 * MIB;
    const GROWTH: usize = 16 * MIB;
    let stream = Endless::new(22);
    let _sender = sender(peer, stream.clone(), Random::new(22), 64 * KIB);
    let resident = resident_memory();
    for read in (0..TOTAL).step_by(KIB) {
        let seen = within("peek(1024)", conn.peek(KIB)).await??;
        expect_bytes(seen, &stream.part(read, KIB), format_args!("peek(1024) at {read}"))?;
        let before = conn.stats().input_memory;
        conn.skip(KIB)?;
        conn.release();
        let memory = conn.stats().input_memory.max(before);
        expect(memory <= 64 * KIB, || format!("input memory is {memory} after {read} bytes"))?;
    }
    let growth = resident_memory().zip(resident).map_or(0, |(now, then)| now.saturating_sub(then));
    expect(growth <= GROWTH, || format!("the process grew by {growth} bytes over {TOTAL} read"))
}

async fn owned_slices_stay_intact(Pair { mut conn, mut peer, mut place, .. }: Pair) -> Verdict {
    const TOTAL: usize = 512 * KIB;
    let stream = Endless::new(23);
    let mut random = Random::new(23);
    let data = stream.part(0, TOTAL);
    let writer = Task::start(async move {
        peer.write_binary(data);
        peer.flush().await.map(|()| peer)
    });
    let mut slices = Vec::new();
    let mut read = 0;
    while read < TOTAL {
        let n = [1, 100, 4096, 20_000][random.between(0, 3)].min(TOTAL - read);
        let slice = match random.one_in(2) {
            true => within("read_binary", conn.read_binary(n)).await??,
            false => {
                within("peek", conn.peek(n)).await??;
                conn.split(n)?
            }
        };
        slices.push((read, slice));
        read += n;
        let skipped = random.between(0, conn.len().min(300));
        conn.skip(skipped)?;
        read += skipped;
        if random.one_in(3) {
            conn.release();
        }
    }
    drop(conn);
    drop(writer.join().await??);

    // Whoever has the memory by now writes over it.
    let (mut dialed, mut accepted) = place.connect().await?;
    let noise = vec![0xaa; TOTAL];
    let writer = Task::start(async move { dialed.write_all(&noise).await.map(|()| dialed) });
    receive(&mut accepted, TOTAL).await?;
    drop((accepted, writer.join().await??));

    let checked = thread::spawn(move || {
        slices.into_iter().try_for_each(|(begin, slice)| {
            let what = format!("the slice at {begin} after the connection's drop");
            expect_bytes(&slice, &stream.part(begin, slice.len()), what)
        })
    });
    checked.join().map_err(|_| Failure::broken("another thread panicked at the slices"))?
}
