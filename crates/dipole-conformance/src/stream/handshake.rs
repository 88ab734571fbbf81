//! S28, S29: the handshake and the version.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Addr, DialerExt, ErrorKind, TlsOptions};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::setup::{Pair, Place, Terms, capabilities, on_both_ends};
use crate::pair::{End, once};
use crate::verdict::{Verdict, expect, expect_equal, expect_error, expect_error_of};
use crate::waiting::{Task, within};
use crate::{Case, Outcome, Roughness, Subject};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S28",
        sentence: "handshake_complete resolves on success and on failure; it has its own deadline",
        run: |subject| {
            Box::pin(async move {
                match on_both_ends(Arc::clone(&subject), handshakes_end).await {
                    Outcome::Passed => once(subject, handshakes_fail).await,
                    outcome => outcome,
                }
            })
        },
    },
    Case {
        id: "S29",
        sentence: "version is 1 or 0x6b3343cf; a mismatch is its own error",
        run: |subject| once(subject, versions),
    },
];

async fn handshakes_end(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    for end in [&conn, &peer] {
        within("handshake_complete", end.handshake_complete()).await??;
        within("handshake_complete again", end.handshake_complete()).await??;
    }
    conn.close_with_error(0, b"");
    within("closed", peer.closed()).await?;
    for end in [&conn, &peer] {
        // It went well, whatever came later.
        within("handshake_complete after a close", end.handshake_complete()).await??;
    }
    drop(place);
    Ok(())
}

const SHORT: Duration = Duration::from_millis(300);

async fn handshakes_fail(subject: Arc<Subject>) -> Verdict {
    if !capabilities(&subject).udp {
        // No relay is in the way of other libraries, and they have no TLS by themselves.
        return Ok(());
    }
    let short = Terms::both(|options| options.handshake_timeout = SHORT);
    let place = Place::new(&subject, End::Accepted, &short, Some(Roughness::NONE)).await?;
    silence(place).await?;

    // A name that the certificate is not for: both ends say that TLS failed.
    let mut place = Place::new(&subject, End::Accepted, &Terms::default(), None).await?;
    place.dial.tls = Some(TlsOptions::new("somebody-else.example"));
    let dial = place.subject.dialer.dial_streams(&place.address, &place.dial);
    let accepting = async {
        let incoming = poll_fn(|cx| place.listener.poll_accept(cx)).await?;
        incoming.accept().await
    };
    let (dialed, accepted) =
        within("a handshake that fails", crate::waiting::both(dial, accepting)).await?;
    expect_error(dialed, &ErrorKind::Tls, "a dial to another name")?;
    let kinds = [ErrorKind::Tls, ErrorKind::Closed];
    expect_error_of(accepted, &kinds, "the accepted end of a handshake that failed")?;
    Ok(())
}

/// The path is cut after the first packet: both ends give up at their deadlines.
async fn silence(mut place: Place) -> Verdict {
    let (subject, address, options) =
        (Arc::clone(&place.subject), place.address.clone(), place.dial.clone());
    let begin = Instant::now();
    let dial = Task::start(async move { subject.dialer.dial_streams(&address, &options).await });
    let incoming = within("accept", poll_fn(|cx| place.listener.poll_accept(cx))).await??;
    place.relay()?.set(Roughness::CUT);
    let accepted = within("a silent handshake", incoming.accept()).await?;
    expect_error(accepted, &ErrorKind::TimedOut, "the accepted end of a silent handshake")?;
    let dialed = within("a silent dial", dial.join()).await??;
    // The server may have been quick enough for the dialing end.
    if let Err(error) = dialed {
        expect_error::<()>(Err(error), &ErrorKind::TimedOut, "a dial into silence")?;
    }
    let took = begin.elapsed();
    expect(took < SHORT * 10, || format!("a deadline of {SHORT:?} took {took:.1?}"))
}

async fn versions(subject: Arc<Subject>) -> Verdict {
    const KNOWN: [u32; 2] = [1, 0x6b33_43cf];
    let mut place = Place::new(&subject, End::Dialed, &Terms::default(), None).await?;
    let (conn, peer) = place.connect().await?;
    expect_equal(conn.version(), peer.version(), "the version at the two ends")?;
    if !capabilities(&subject).udp {
        return expect_equal(conn.version(), 0, "the version of what is not QUIC");
    }
    expect(KNOWN.contains(&conn.version()), || format!("version {:#x}", conn.version()))?;

    // A server that speaks another version only.
    let socket =
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(dipole_net::Error::from)?;
    let address: SocketAddr = socket.local_addr().map_err(dipole_net::Error::from)?;
    let server = Task::start(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = version_negotiation(&buffer[..length]) {
                drop(socket.send_to(&answer, client).await);
            }
        }
    });
    let address = Addr::Ip(address);
    let dial = subject.dialer.dial_streams(&address, &place.dial);
    let dialed = within("a dial to another version", dial).await?;
    expect_error(dialed, &ErrorKind::VersionMismatch, "a dial to another version")?;
    drop(server);
    Ok(())
}

/// The answer to a first packet that offers another version (RFC 9000 section 17.2.1).
fn version_negotiation(packet: &[u8]) -> Option<Vec<u8>> {
    let (destination, rest) = connection_id(packet.get(5..)?)?;
    let (source, _) = connection_id(rest)?;
    let mut answer = vec![0x80, 0, 0, 0, 0];
    for id in [source, destination] {
        answer.push(u8::try_from(id.len()).ok()?);
        answer.extend_from_slice(id);
    }
    // A version that nobody has.
    answer.extend_from_slice(&0x5150_5150_u32.to_be_bytes());
    Some(answer)
}

/// A connection id behind its length, and what follows it.
fn connection_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}
