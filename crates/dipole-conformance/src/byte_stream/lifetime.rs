//! B52 to B54: many connections, one after the other, and what is left of them.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Addr, Conn, ConnExt, Error, ErrorKind};
use tokio::time::{Instant, sleep};

use super::ending::Ending;
use super::traffic::{KIB, MIB, MOMENT, receive, send};
use crate::pair::{Pair, Rendezvous, on_both_ends, once};
use crate::process::{live_tasks, open_descriptors, resident_memory, settled};
use crate::random::Random;
use crate::verdict::{Failure, Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{Task, at_once, within};
use crate::{Case, Subject};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B52",
        sentence: "descriptors never cross under fast redial (10,000 times)",
        run: |subject| once(subject, redials_do_not_cross),
    },
    Case {
        id: "B53",
        sentence: "TCP_NODELAY is on by default",
        run: |subject| on_both_ends(subject, small_writes_go_at_once),
    },
    Case {
        id: "B54",
        sentence: "no descriptor, task or buffer is left after 10,000 connections that ended in \
                   every way above",
        run: |subject| once(subject, nothing_is_left),
    },
];

async fn redials_do_not_cross(subject: Arc<Subject>) -> Verdict {
    const LANES: u64 = 4;
    let mut lanes = Vec::new();
    for seed in 0..LANES {
        let place = Rendezvous::new(&subject).await?;
        lanes.push(Task::start(redial(place, 52 + seed, 10_000 / LANES)));
    }
    for lane in lanes {
        lane.join().await??;
    }
    Ok(())
}

/// Makes connections one after the other. The objects of the last ones live on after their close,
/// and are used again once the system may have given their descriptors to new ones.
async fn redial(mut place: Rendezvous, seed: u64, times: u64) -> Verdict {
    let mut random = Random::new(seed);
    let mut closed: Vec<Box<dyn Conn>> = Vec::new();
    for time in 0..times {
        let (mut dialed, mut accepted) = place.connect().await?;
        if dialed.local_addr().ip().is_some() {
            expect_equal(accepted.peer_addr(), dialed.local_addr(), "the accepted end's peer")?;
        }
        for old in &mut closed {
            old.close();
            old.put(b"of another connection");
            let result = at_once("a flush after close", old.flush()).await?;
            expect_error(result, &ErrorKind::Closed, "a flush after close")?;
            let result = at_once("a peek after close", old.peek(1)).await?;
            expect_error(result, &ErrorKind::Closed, "a peek after close")?;
            old.reset();
        }
        let ask = random.next().to_le_bytes();
        let answer = random.next().to_le_bytes();
        send(&mut dialed, &ask).await?;
        let what = format!("connection {time} of seed {seed}");
        expect_bytes(&receive(&mut accepted, 8).await?, &ask, &what)?;
        send(&mut accepted, &answer).await?;
        expect_bytes(&receive(&mut dialed, 8).await?, &answer, &what)?;
        expect_equal((dialed.len(), accepted.len()), (0, 0), "bytes beyond the message")?;
        closed.clear();
        match random.between(0, 3) {
            0 => {
                dialed.close();
                accepted.close();
                closed.extend([dialed, accepted]);
            }
            1 => {
                accepted.reset();
                closed.push(accepted);
            }
            2 => {
                dialed.close();
                closed.push(dialed);
            }
            _ => {}
        }
    }
    Ok(())
}

async fn small_writes_go_at_once(pair: Pair) -> Verdict {
    let Pair { mut conn, mut peer, capabilities, mut place, end } = pair;
    if !capabilities.tcp {
        return Err(Failure::not_applicable("tcp"));
    }
    if place.address.ip().is_none() {
        let subject = Arc::clone(&place.subject);
        let address = subject.addresses.iter().find(|address| address.ip().is_some());
        let address: &Addr = address.ok_or_else(|| Failure::broken("no TCP address is given"))?;
        place = Rendezvous::at(&subject, address).await?;
        (conn, peer) = end.of(place.connect().await?);
    }
    let echo = Task::start(async move {
        while peer.skip_all(2).await.is_ok() {
            peer.write_all(b"a").await?;
        }
        Ok::<_, Error>(())
    });
    // Two small writes and a read: with Nagle's algorithm the second write waits for the peer's
    // delayed acknowledgement of the first, 40 ms on Linux and up to 500 ms by RFC 1122 4.2.3.2.
    let mut rounds = Vec::new();
    for _ in 0..60 {
        let begin = Instant::now();
        send(&mut conn, b"q").await?;
        send(&mut conn, b"q").await?;
        within("the answer", conn.skip_all(1)).await??;
        rounds.push(begin.elapsed());
    }
    conn.close();
    echo.join().await??;
    rounds.sort();
    let slow = rounds[rounds.len() * 3 / 4];
    match slow < Duration::from_millis(20) {
        true => Ok(()),
        // The machine may be slow, but not in each of three attempts.
        false => Err(Failure::Late(format!("a quarter of the rounds takes {slow:?} and more"))),
    }
}

async fn nothing_is_left(subject: Arc<Subject>) -> Verdict {
    const WARM_UP: usize = 1000;
    const CONNECTIONS: usize = 10_000;
    // A lost buffer of 4 KiB for one ending in fifteen would be 2.6 MiB, for all of them 40 MiB.
    const GROWTH: usize = 12 * MIB;
    // What a library makes once and keeps is made in the first thousand.
    end_in_every_way(&subject, WARM_UP, 53).await?;
    sleep(4 * MOMENT).await;
    let (descriptors, tasks, resident) = (open_descriptors(), live_tasks(), resident_memory());

    end_in_every_way(&subject, CONNECTIONS, 54).await?;
    let left = settled(tasks, || Some(live_tasks())).await.unwrap_or(0);
    expect(left <= tasks, || format!("{left} tasks live, {tasks} did before"))?;
    if let Some(before) = descriptors.filter(|_| subject.transport.capabilities().uses_descriptors)
    {
        let open = settled(before, open_descriptors).await.unwrap_or(0);
        expect(open <= before, || format!("{open} descriptors are open, {before} were before"))?;
    }
    if let Some(before) = resident {
        let bound = before + GROWTH;
        let now = settled(bound, resident_memory).await.unwrap_or(0);
        expect(now <= bound, || {
            format!("the process grew by {} KiB", now.saturating_sub(before) / KIB)
        })?;
    }
    Ok(())
}

async fn end_in_every_way(subject: &Arc<Subject>, connections: usize, seed: u64) -> Verdict {
    let mut random = Random::new(seed);
    let mut place = Rendezvous::new(subject).await?;
    for number in 0..connections {
        let ending = Ending::ALL[number % Ending::ALL.len()];
        ending
            .play(&mut place, &mut random)
            .await
            .map_err(|failure| failure.of(format_args!("connection {number}, {ending:?}")))?;
    }
    Ok(())
}
