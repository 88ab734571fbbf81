//! S30: addresses, and their change.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Error, ReceiveStreamExt, SendStreamExt};

use super::setup::{Pair, Place, Terms, capabilities, on_both_ends};
use super::traffic::{KIB, exchange, expect_read};
use crate::pair::{End, once};
use crate::random::random_bytes;
use crate::verdict::{Verdict, expect, expect_equal};
use crate::waiting::{Task, eventually, within};
use crate::{Case, Outcome, Roughness, Subject};

pub(super) const CASES: &[Case] = &[Case {
    id: "S30",
    sentence: "local_addr and peer_addr are right; after the peer's address changes (migration) \
               the connection lives, and peer_addr follows (where declared)",
    run: |subject| {
        Box::pin(async move {
            match on_both_ends(Arc::clone(&subject), addresses).await {
                Outcome::Passed if capabilities(&subject).migration => {
                    once(subject, migration).await
                }
                outcome => outcome,
            }
        })
    },
}];

async fn addresses(Pair { conn, peer, end, place }: Pair) -> Verdict {
    let check = || {
        expect_equal(conn.local_addr(), peer.peer_addr(), "this end's address at both")?;
        expect_equal(conn.peer_addr(), peer.local_addr(), "the other end's address at both")?;
        let listener = match end {
            End::Dialed => conn.peer_addr(),
            End::Accepted => conn.local_addr(),
        };
        expect_equal(listener, place.address.clone(), "the listener's address")
    };
    check()?;
    conn.close_with_error(0, b"");
    within("closed", peer.closed()).await?;
    check()
}

/// A download and an upload go on while the client's address changes under them, several times.
async fn migration(subject: Arc<Subject>) -> Verdict {
    let terms = Terms::default();
    let rough = Roughness { delay: Duration::from_millis(2), ..Roughness::NONE };
    let mut place = Place::new(&subject, End::Accepted, &terms, Some(rough)).await?;
    let (server, client) = place.connect().await?;
    let (mut ours, mut theirs) = exchange(&client, &server).await?;
    let data = random_bytes(30, 128 * KIB);
    for round in 0..4 {
        let before = server.peer_addr();
        place.relay()?.change_addresses();
        // The server learns of it by what the client sends.
        within("write", ours.send.write_all(&data)).await??;
        expect_read(&mut *theirs.receive, &data, "an upload after a change").await?;
        eventually("peer_addr follows", || server.peer_addr() != before).await?;
        let download = data.clone();
        let mut send = theirs.send;
        let sending = Task::start(async move {
            send.write_all(&download).await?;
            Ok::<_, Error>(send)
        });
        expect_read(&mut *ours.receive, &data, "a download after a change").await?;
        theirs.send = within(format!("round {round}"), sending.join()).await???;
    }
    let port = |addr: dipole_net::Addr| addr.port();
    expect(port(server.local_addr()).is_some(), || "the server has lost its address")?;
    within("close", theirs.send.close()).await??;
    expect_equal(within("the end", ours.receive.read()).await??, None, "the end")?;
    Ok(())
}
