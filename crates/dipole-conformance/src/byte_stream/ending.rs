//! The ways in which a connection ends, for B54.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Conn, ConnExt, ErrorKind};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::traffic::{KIB, MORE_THAN_FITS, end, fill_once, flush_once, receive_all, send};
use crate::Subject;
use crate::pair::{GONE, Rendezvous, accept, try_dial};
use crate::random::Random;
use crate::verdict::{Failure, Verdict, expect_error, expect_error_of};
use crate::waiting::{Task, give_up, within};

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Each side ends in order.
    Orderly,
    /// The accepted end closes, and the dialed one sees it.
    PeerCloses,
    /// The dialed end breaks off with bytes under way.
    Reset,
    /// The accepted end breaks off with bytes unread.
    ResetUnread,
    /// Closed while a flush waits, or has just not.
    WhileWriting,
    /// Dropped while a peek waits.
    WhileReading,
    /// Dropped with unread bytes on both ends.
    Unread,
    /// Dropped with bytes queued.
    Unsent,
    /// A read timeout.
    ReadTimeout,
    /// Closed from elsewhere while a peek waits.
    Closer,
    /// Its task is stopped.
    TaskStopped,
    /// Arrived and refused before its handshake.
    Refused,
    /// Never accepted: the listener goes first.
    NeverAccepted,
    /// Its dial is given up.
    DialDropped,
    /// A flush fails, the peer being gone.
    PeerGone,
    /// A write timeout; once in fifty times, since it takes 16 MiB to come about.
    WriteTimeout,
}

impl Ending {
    pub(super) const ALL: [Self; 16] = [
        Self::Orderly,
        Self::PeerCloses,
        Self::Reset,
        Self::ResetUnread,
        Self::WhileWriting,
        Self::WhileReading,
        Self::Unread,
        Self::Unsent,
        Self::ReadTimeout,
        Self::Closer,
        Self::TaskStopped,
        Self::Refused,
        Self::NeverAccepted,
        Self::DialDropped,
        Self::PeerGone,
        Self::WriteTimeout,
    ];

    /// Makes a connection and ends it so.
    pub(super) async fn play(self, place: &mut Rendezvous, random: &mut Random) -> Verdict {
        match self {
            Self::Refused => return refuse(place).await,
            Self::NeverAccepted | Self::DialDropped => {
                return leave(self, &place.subject, random).await;
            }
            _ => {}
        }
        let (dialed, accepted) = place.connect().await?;
        let (mut conn, mut peer) =
            if random.one_in(2) { (dialed, accepted) } else { (accepted, dialed) };
        send(&mut conn, &[b'q'; 100]).await?;
        within("peek(100)", peer.peek(100)).await??;
        match self {
            Self::Orderly => {
                let capabilities = place.subject.transport.capabilities();
                end(&mut conn, &capabilities).await?;
                receive_all(&mut peer).await?;
                if capabilities.half_close {
                    send(&mut peer, &[b'a'; 100]).await?;
                    peer.close();
                    receive_all(&mut conn).await?;
                }
            }
            Self::PeerCloses => {
                peer.skip(100)?;
                peer.close();
                let result = within("peek(1)", conn.peek(1)).await?;
                expect_error(result, &ErrorKind::Eof, "peek(1)")?;
            }
            Self::Reset => {
                conn.put(&[b'x'; 1000]);
                conn.reset();
            }
            Self::ResetUnread => peer.reset(),
            Self::WhileWriting => {
                conn.write_binary(Bytes::from(vec![b'w'; 256 * KIB]));
                drop(flush_once(&mut conn).await);
                conn.close();
            }
            Self::WhileReading => {
                drop(fill_once(&mut conn, 1).await);
                drop(conn);
                drop(within("the peer's read", peer.skip_all(101)).await?);
            }
            Self::Unread => send(&mut peer, &[b'a'; 5000]).await?,
            Self::Unsent => {
                conn.put(&[b'u'; 5000]);
                conn.write_binary(Bytes::from(vec![b'u'; 100 * KIB]));
            }
            Self::ReadTimeout => {
                conn.set_read_timeout(Some(Duration::from_millis(1)));
                let result = within("peek(1)", conn.peek(1)).await?;
                expect_error(result, &ErrorKind::TimedOut, "peek(1) under 1 ms")?;
            }
            Self::Closer => {
                let closer = conn.closer();
                let peek = Task::start(async move { conn.peek(1).await.map(<[u8]>::len) });
                yield_now().await;
                closer.close();
                let result = within("a peek that is closed", peek.join()).await??;
                expect_error(result, &ErrorKind::Closed, "a peek that is closed")?;
            }
            Self::TaskStopped => {
                let task = Task::start(async move {
                    conn.write_binary(Bytes::from(vec![b'w'; 256 * KIB]));
                    let flushed = conn.flush().await;
                    flushed.and(conn.peek(1).await.map(<[u8]>::len))
                });
                yield_now().await;
                drop(task);
                yield_now().await;
            }
            Self::PeerGone => {
                peer.reset();
                gone(&mut conn).await?;
            }
            Self::WriteTimeout if random.one_in(50) => {
                conn.set_write_timeout(Some(Duration::from_millis(1)));
                conn.write_binary(Bytes::from(vec![b'w'; MORE_THAN_FITS]));
                let result = within("flush", conn.flush()).await?;
                expect_error(result, &ErrorKind::TimedOut, "a flush under 1 ms")?;
            }
            Self::WriteTimeout => {}
            Self::Refused | Self::NeverAccepted | Self::DialDropped => {
                unreachable!("handled above")
            }
        }
        Ok(())
    }
}

/// Sends until it fails.
async fn gone(conn: &mut Box<dyn Conn>) -> Verdict {
    for _ in 0..1000 {
        conn.put(b"x");
        if let Err(error) = within("flush", conn.flush()).await? {
            expect_error_of::<()>(Err(error), GONE, "a flush with the peer gone")?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err(Failure::broken("1000 flushes succeeded with the peer gone"))
}

/// The listener drops what arrives.
async fn refuse(place: &mut Rendezvous) -> Verdict {
    let listener = &mut place.listener;
    let refusal = async {
        let arrival = std::future::poll_fn(|cx| listener.poll_accept(cx));
        drop(within("accept", arrival).await??);
        Verdict::Ok(())
    };
    let dial = try_dial(&place.subject, &place.address);
    let (dialed, refused) = crate::waiting::both(dial, refusal).await;
    // A library may tell the dialer only now, and under TLS the dial fails.
    drop(dialed);
    refused
}

/// Dials a listener of its own, which goes before it accepts, or the dial does.
async fn leave(ending: Ending, subject: &Arc<Subject>, random: &mut Random) -> Verdict {
    let mut other = Rendezvous::new(subject).await?;
    match ending {
        Ending::NeverAccepted => {
            // Some libraries connect without the listener's doing, others wait for it.
            let patience = Duration::from_millis(2);
            let dialed = timeout(patience, try_dial(subject, &other.address)).await;
            drop(other.listener);
            drop(dialed);
        }
        _ => {
            let polls = random.between(1, 3);
            let dialed = give_up(polls, try_dial(subject, &other.address)).await;
            drop(dialed);
            // Whatever arrived all the same is taken and dropped with the listener.
            drop(give_up(2, accept(&mut *other.listener)).await);
        }
    }
    Ok(())
}
