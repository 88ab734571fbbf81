//! S1, S2: opening streams.

use std::pin::pin;

use dipole_net::SendStreamExt;

use super::setup::{Pair, on_both_ends};
use super::traffic::WHILE;
use crate::Case;
use crate::pair::End;
use crate::verdict::{Verdict, expect_equal};
use crate::waiting::{still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S1",
        sentence: "open_stream sends nothing by itself",
        run: |subject| on_both_ends(subject, opening_sends_nothing),
    },
    Case {
        id: "S2",
        sentence: "ids: client bidi 0, server bidi 1, client uni 2, server uni 3, then +4",
        run: |subject| on_both_ends(subject, ids),
    },
];

async fn opening_sends_nothing(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let stream = conn.open_stream()?;
    let uni_stream = conn.open_uni_stream()?;
    still_waits("accept_stream", WHILE, pin!(peer.accept_stream())).await?;
    still_waits("accept_uni_stream", WHILE, pin!(peer.accept_uni_stream())).await?;
    drop((stream, uni_stream, place));
    Ok(())
}

async fn ids(Pair { conn, peer, end, place }: Pair) -> Verdict {
    let (bidi, uni) = match end {
        End::Dialed => (0, 2),
        End::Accepted => (1, 3),
    };
    for number in 0..3 {
        let mut stream = within("open_stream_sync", conn.open_stream_sync()).await??;
        expect_equal(stream.send.id(), bidi + 4 * number, "the id of a sending half")?;
        expect_equal(stream.receive.id(), bidi + 4 * number, "the id of a receiving half")?;
        within("close", stream.send.close()).await??;
        let accepted = within("accept_stream", peer.accept_stream()).await??;
        expect_equal(accepted.send.id(), bidi + 4 * number, "the id of an accepted half")?;
        expect_equal(accepted.receive.id(), bidi + 4 * number, "the id of an accepted half")?;

        let mut send = within("open_uni_stream_sync", conn.open_uni_stream_sync()).await??;
        expect_equal(send.id(), uni + 4 * number, "the id of a uni stream")?;
        within("close", send.close()).await??;
        let accepted = within("accept_uni_stream", peer.accept_uni_stream()).await??;
        expect_equal(accepted.id(), uni + 4 * number, "the id of an accepted uni stream")?;
    }
    drop(place);
    Ok(())
}
