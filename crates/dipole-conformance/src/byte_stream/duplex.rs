//! B41: both directions at once.

use std::sync::Arc;

use dipole_net::Conn;

use super::traffic::{KIB, MIB};
use crate::pair::{connected, once};
use crate::random::Endless;
use crate::shared::Shared;
use crate::verdict::{Verdict, expect_bytes};
use crate::waiting::{Task, both, within};
use crate::{Case, Subject};

pub(super) const CASES: &[Case] = &[Case {
    id: "B41",
    sentence: "reads and writes at the same time (full duplex, 64 MiB both ways) neither lock nor \
               reorder",
    run: |subject| once(subject, both_directions_at_once),
}];

async fn both_directions_at_once(subject: Arc<Subject>) -> Verdict {
    // One task for each direction, so that the two wakers differ.
    let (dialed, accepted) = connected(&subject).await?;
    let (dialed, accepted) = (Shared::new(dialed), Shared::new(accepted));
    // The readers are asked first: they know what went wrong.
    let tasks = [
        Task::start(read(accepted.clone(), Endless::new(41), 64 * MIB)),
        Task::start(read(dialed.clone(), Endless::new(42), 64 * MIB)),
        Task::start(write(dialed, Endless::new(41), 64 * MIB)),
        Task::start(write(accepted, Endless::new(42), 64 * MIB)),
    ];
    for task in tasks {
        within("a direction of four tasks", task.join()).await???;
    }

    // One task for both directions of an end.
    let (dialed, accepted) = connected(&subject).await?;
    let tasks = [(dialed, 43, 44), (accepted, 44, 43)].map(|(conn, out, back)| {
        let conn = Shared::new(conn);
        let writing = write(conn.clone(), Endless::new(out), 16 * MIB);
        let reading = read(conn, Endless::new(back), 16 * MIB);
        Task::start(both(writing, reading))
    });
    for task in tasks {
        let (written, read) = within("both directions in one task", task.join()).await??;
        written?;
        read?;
    }
    Ok(())
}

async fn write(conn: Shared, stream: Endless, total: usize) -> Verdict {
    const PIECE: usize = 128 * KIB;
    for begin in (0..total).step_by(PIECE) {
        conn.with(|conn| {
            conn.malloc(PIECE / 4).copy_from_slice(&stream.part(begin, PIECE / 4));
            conn.write_binary(stream.part(begin + PIECE / 4, PIECE - PIECE / 4));
        });
        conn.flush().await?;
    }
    Ok(())
}

async fn read(conn: Shared, stream: Endless, total: usize) -> Verdict {
    let mut read = 0;
    while read < total {
        conn.fill(1).await?;
        read += conn.with(|conn| take(conn, &stream, read))?;
    }
    Ok(())
}

/// Compares and consumes what is held.
fn take(conn: &mut dyn Conn, stream: &Endless, begin: usize) -> Verdict<usize> {
    let n = conn.buffered().len().min(Endless::LONGEST);
    let what = format_args!("what arrived at {begin}").to_string();
    expect_bytes(&conn.buffered()[..n], &stream.part(begin, n), what)?;
    conn.skip(n)?;
    conn.release();
    Ok(n)
}
