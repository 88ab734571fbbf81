//! B51: the addresses of a connection.

use dipole_net::{Addr, Conn, ConnExt, ErrorKind};

use super::traffic::{receive, send};
use crate::Case;
use crate::pair::{End, Pair, on_every_address};
use crate::verdict::{Verdict, expect_equal, expect_error};
use crate::waiting::within;

pub(super) const CASES: &[Case] = &[Case {
    id: "B51",
    sentence: "local_addr and peer_addr are right, and stay right after close",
    run: |subject| on_every_address(subject, addresses_are_right),
}];

async fn addresses_are_right(Pair { mut conn, mut peer, end, place, .. }: Pair) -> Verdict {
    let (conn_first, peer_first) = (ends_of(&*conn), ends_of(&*peer));
    let (dialed, accepted) = match end {
        End::Dialed => (&conn_first, &peer_first),
        End::Accepted => (&peer_first, &conn_first),
    };
    expect_equal(&dialed.peer, &place.address, "the dialed end's peer_addr()")?;
    expect_equal(&accepted.local, &place.address, "the accepted end's local_addr()")?;
    expect_equal(&accepted.peer, &dialed.local, "the accepted end's peer_addr()")?;
    send(&mut conn, b"x").await?;
    receive(&mut peer, 1).await?;
    expect_equal(&ends_of(&*conn), &conn_first, "the addresses after some traffic")?;
    conn.close();
    expect_equal(&ends_of(&*conn), &conn_first, "the addresses after close")?;
    let result = within("peek(1)", peer.peek(1)).await?;
    expect_error(result, &ErrorKind::Eof, "the peer's peek")?;
    expect_equal(&ends_of(&*peer), &peer_first, "the addresses after the peer's close")?;
    peer.reset();
    expect_equal(&ends_of(&*peer), &peer_first, "the addresses after reset")
}

#[derive(Debug, PartialEq)]
struct Ends {
    local: Addr,
    peer: Addr,
}

fn ends_of(conn: &dyn Conn) -> Ends {
    Ends { local: conn.local_addr(), peer: conn.peer_addr() }
}
