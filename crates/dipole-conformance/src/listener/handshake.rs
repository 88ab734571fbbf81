//! L4: handshakes beside each other.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::DialerExt;
use tokio::time::Instant;

use crate::line::expect_talk;
use crate::pair::{End, Rendezvous, first_address};
use crate::stream::{Place, Terms};
use crate::verdict::{Failure, Verdict, expect};
use crate::waiting::{Task, within};
use crate::{Roughness, Subject};

/// L4.
///
/// A byte stream without TLS is ready as it arrives: a library without handshakes has nothing to
/// judge here.
pub(super) async fn silent_client_delays_no_other(subject: Arc<Subject>) -> Verdict {
    let capabilities = subject.transport.capabilities();
    if !(capabilities.streams && capabilities.udp) {
        return Err(Failure::not_applicable("a handshake (the kit has no TLS yet)"));
    }
    first_address(&subject)?;
    // The way of the silent client is cut behind its first packet.
    let mut place =
        Place::new(&subject, End::Accepted, &Terms::default(), Some(Roughness::NONE)).await?;
    let address = place.listener.local_addr();
    let (dialer, silent, options) =
        (Arc::clone(&subject.dialer), place.address.clone(), place.dial.clone());
    let silent_dial = Task::start(async move { dialer.dial_streams(&silent, &options).await });
    let incoming = within("accept", poll_fn(|cx| place.listener.poll_accept(cx))).await??;
    place.relay()?.set(Roughness::CUT);
    let silent_handshake = Task::start(incoming.accept());

    let begin = Instant::now();
    let mut other = Rendezvous { subject, listener: place.listener, address };
    for _ in 0..3 {
        expect_talk(&mut other.connect_line().await?).await?;
    }
    let took = begin.elapsed();
    expect(took < Duration::from_secs(5), || format!("three others took {took:.1?}"))?;
    expect(!silent_handshake.is_finished(), || "the silent handshake has ended")?;
    drop((silent_dial, silent_handshake));
    Ok(())
}
