//! S32: early data.

use std::sync::Arc;

use dipole_net::{ReceiveStreamExt, SendStreamExt};

use super::setup::{Pair, Place, Terms, capabilities};
use super::traffic::{exchange, expect_all, moment};
use crate::pair::{End, once};
use crate::verdict::{Failure, Verdict, expect};
use crate::waiting::within;
use crate::{Case, Subject};

pub(super) const CASES: &[Case] = &[Case {
    id: "S32",
    sentence: "0-RTT data is marked as such (where declared)",
    run: |subject| once(subject, early_data_is_marked),
}];

async fn early_data_is_marked(subject: Arc<Subject>) -> Verdict {
    if !capabilities(&subject).early_data {
        return Err(Failure::not_applicable("early_data"));
    }
    let terms = Terms::both(|options| options.early_data = true);
    let mut place = Place::new(&subject, End::Dialed, &terms, None).await?;
    // The first connection has no ticket yet, so nothing of it is early but what the server
    // cannot tell.
    let mut marked = false;
    for _ in 0..5 {
        let (conn, peer) = place.connect().await?;
        let mut stream = conn.open_stream()?;
        within("write", stream.send.write_all(b"early")).await??;
        within("close", stream.send.close()).await??;
        let mut accepted = within("accept_stream", peer.accept_stream()).await??;
        marked |= accepted.receive.is_early_data();
        expect_all(&mut *accepted.receive, b"early").await?;
        within("handshake_complete", conn.handshake_complete()).await??;
        within("handshake_complete", peer.handshake_complete()).await??;
        within("write", accepted.send.write_all(b"late")).await??;
        drop(within("read", stream.receive.read()).await??);

        // Afterwards nothing is early any more.
        let mut later = within("open_stream_sync", conn.open_stream_sync()).await??;
        within("write", later.send.write_all(b"late")).await??;
        let accepted = within("accept_stream", peer.accept_stream()).await??;
        expect(!accepted.receive.is_early_data(), || "a stream after the handshake is marked")?;
        // For the ticket to arrive.
        moment().await;
        if marked {
            break;
        }
    }
    expect(marked, || "five connections in turn, and nothing came as early data")?;

    // Not asked for, there is none.
    let mut place = Place::new(&subject, End::Dialed, &Terms::default(), None).await?;
    for _ in 0..2 {
        let (conn, peer) = place.connect().await?;
        let pair = Pair { conn, peer, end: End::Dialed, place };
        let (ours, theirs) = exchange(&pair.conn, &pair.peer).await?;
        expect(!theirs.receive.is_early_data(), || "early data that was not asked for")?;
        drop(ours);
        place = pair.place;
    }
    Ok(())
}
