//! S31: datagrams.

use std::time::Duration;

use dipole_net::{Datagrams, ErrorKind};
use tokio::time::timeout;

use super::setup::{Handle, Pair, Terms, capabilities, under};
use crate::Case;
use crate::random::random_bytes;
use crate::verdict::{Failure, Verdict, expect, expect_bytes, expect_error};

pub(super) const CASES: &[Case] = &[Case {
    id: "S31",
    sentence: "datagrams: delivered whole or not at all; too large is Err(InvalidInput) (where \
               declared)",
    run: |subject| under(subject, with_datagrams, whole_or_not_at_all),
}];

fn with_datagrams() -> Terms {
    Terms::both(|options| options.datagram_queue = 64 * 1024)
}

async fn whole_or_not_at_all(Pair { conn, peer, mut place, .. }: Pair) -> Verdict {
    if !capabilities(&place.subject).datagrams {
        return Err(Failure::not_applicable("datagrams"));
    }
    let (ours, theirs) = (datagrams(&conn)?, datagrams(&peer)?);
    let longest = ours.longest().ok_or_else(|| Failure::broken("the peer takes no datagrams"))?;
    expect(longest >= 1000, || format!("the longest datagram has {longest} bytes"))?;
    for length in [1, 100, 1000, longest] {
        let sent = random_bytes(length as u64, length);
        // One may be lost, as datagrams are; not all of them.
        let mut arrived = None;
        for _ in 0..20 {
            ours.send(sent.clone())?;
            let arrival = timeout(Duration::from_millis(200), theirs.receive()).await;
            if let Ok(received) = arrival {
                arrived = Some(received?);
                break;
            }
        }
        let Some(arrived) = arrived else {
            let text = format!("none of 20 datagrams of {length} bytes arrived");
            return Err(Failure::broken(text));
        };
        expect_bytes(&arrived, &sent, "a datagram")?;
    }
    // The longest may have grown with what is known of the path, but not to this.
    let result = ours.send(vec![0; 1 << 16].into());
    expect_error(result, &ErrorKind::InvalidInput, "a datagram that is too large")?;

    // Not asked for, there are none.
    place.dial.streams.datagram_queue = 0;
    let (conn, peer) = place.connect().await?;
    let some = |end: &Handle| end.datagrams().is_some_and(|ours| ours.longest().is_some());
    expect(!(some(&conn) && some(&peer)), || "datagrams between ends of which one wants none")
}

fn datagrams(end: &Handle) -> Verdict<&dyn Datagrams> {
    end.datagrams().ok_or_else(|| Failure::broken("no datagrams, which were asked for"))
}
