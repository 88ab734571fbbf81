//! Connections of streams to judge, straight or through the relay, with either end under judgement.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{
    Addr, BoxFuture, Capabilities, DialOptions, DialerExt, ListenOptions, Listener, StreamConn,
    StreamOptions,
};

use crate::pair::{End, first_address, retried};
use crate::verdict::{Failure, Verdict};
use crate::waiting::within;
use crate::{Outcome, Relay, Roughness, Subject};

/// One end's connection, in as many hands as it takes.
pub(super) type Handle = Arc<dyn StreamConn>;

/// A connection, seen from the end under judgement.
pub(super) struct Pair {
    /// The end under judgement.
    pub(super) conn: Handle,
    /// The other end.
    pub(super) peer: Handle,
    /// Which end `conn` is.
    pub(super) end: End,
    /// To make more of its kind.
    pub(super) place: Place,
}

/// The options of the two ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// Of the end under judgement.
    pub(crate) conn: StreamOptions,
    /// Of the other end.
    pub(crate) peer: StreamOptions,
}

impl Terms {
    /// The same for both.
    pub(crate) fn both(change: impl Fn(&mut StreamOptions)) -> Self {
        let mut terms = Self::default();
        change(&mut terms.conn);
        change(&mut terms.peer);
        terms
    }

    /// Of the other end alone.
    pub(super) fn peer(change: impl Fn(&mut StreamOptions)) -> Self {
        let mut terms = Self::default();
        change(&mut terms.peer);
        terms
    }
}

/// Runs a case with either end of a straight connection under judgement, under default options.
pub(super) fn on_both_ends<F>(
    subject: Arc<Subject>,
    case: fn(Pair) -> F,
) -> BoxFuture<'static, Outcome>
where
    F: Future<Output = Verdict> + Send + 'static,
{
    under(subject, Terms::default, case)
}

/// Runs a case with either end of a straight connection under judgement, under these options.
pub(super) fn under<F>(
    subject: Arc<Subject>,
    terms: fn() -> Terms,
    case: fn(Pair) -> F,
) -> BoxFuture<'static, Outcome>
where
    F: Future<Output = Verdict> + Send + 'static,
{
    Box::pin(async move { both_ends(&subject, &terms(), None, case).await.into() })
}

/// Runs a case with either end under judgement, over a path of this roughness where the library
/// uses UDP.
pub(super) async fn both_ends<F>(
    subject: &Arc<Subject>,
    terms: &Terms,
    rough: Option<Roughness>,
    case: fn(Pair) -> F,
) -> Verdict
where
    F: Future<Output = Verdict> + Send + 'static,
{
    for end in [End::Dialed, End::Accepted] {
        retried(|| async {
            let mut place = Place::new(subject, end, terms, rough).await?;
            let (conn, peer) = place.connect().await?;
            case(Pair { conn, peer, end, place }).await
        })
        .await
        .map_err(|failure| failure.of(end))?;
    }
    Ok(())
}

/// A listener, and the way to it.
pub(crate) struct Place {
    pub(crate) subject: Arc<Subject>,
    pub(crate) listener: Box<dyn Listener>,
    /// Where to dial: the listener's address or the relay's.
    pub(crate) address: Addr,
    pub(crate) dial: DialOptions,
    pub(crate) relay: Option<Relay>,
    end: End,
}

impl Place {
    /// Listens on the library's first address, behind a relay when `rough` asks for one and the
    /// library uses UDP.
    pub(crate) async fn new(
        subject: &Arc<Subject>,
        end: End,
        terms: &Terms,
        rough: Option<Roughness>,
    ) -> Verdict<Self> {
        let (mut listen, mut dial) = (ListenOptions::default(), DialOptions::default());
        let (dialed, accepted) = match end {
            End::Dialed => (&terms.conn, &terms.peer),
            End::Accepted => (&terms.peer, &terms.conn),
        };
        listen.streams = accepted.clone();
        dial.streams = dialed.clone();
        dial.timeout = Some(Duration::from_secs(15));
        let mut listeners = subject.transport.listen(&first_address(subject)?, &listen)?;
        let (Some(listener), true) = (listeners.pop(), listeners.is_empty()) else {
            return Err(Failure::broken("listen did not give one listener for one shard"));
        };
        let mut address = listener.local_addr();
        let mut relay = None;
        if let (Some(rough), true, Some(server)) = (rough, capabilities(subject).udp, address.ip())
        {
            let started = Relay::start(server, SEED, rough).await;
            let started = started.map_err(dipole_net::Error::from)?;
            address = Addr::Ip(started.address());
            relay = Some(started);
        }
        Ok(Self { subject: Arc::clone(subject), listener, address, dial, relay, end })
    }

    /// A new connection: the end under judgement, then the other one.
    pub(super) async fn connect(&mut self) -> Verdict<(Handle, Handle)> {
        let dial = async {
            let dialled = self.subject.dialer.dial_streams(&self.address, &self.dial);
            Ok(Handle::from(within("dial", dialled).await??))
        };
        // A dial that fails is not waited for at the listener.
        let (dialed, accepted) = tokio::try_join!(dial, accept(&mut *self.listener))?;
        Ok(match self.end {
            End::Dialed => (dialed, accepted),
            End::Accepted => (accepted, dialed),
        })
    }

    /// The relay on the way; not applicable where the library does not use UDP.
    pub(crate) fn relay(&self) -> Verdict<&Relay> {
        self.relay.as_ref().ok_or_else(|| Failure::not_applicable("udp"))
    }
}

/// The next connection of `listener`, its handshake done.
pub(super) async fn accept(listener: &mut dyn Listener) -> Verdict<Handle> {
    let incoming = within("accept", poll_fn(|cx| listener.poll_accept(cx))).await??;
    let connection = within("the handshake", incoming.accept()).await??;
    match connection.into_streams() {
        Some(conn) => Ok(conn.into()),
        None => Err(Failure::broken("accept gave a byte stream, expected streams")),
    }
}

/// What the library can do.
pub(super) fn capabilities(subject: &Subject) -> Capabilities {
    subject.transport.capabilities()
}

/// Of the relay's dice.
const SEED: u64 = 5;
