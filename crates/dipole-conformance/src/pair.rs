//! Connections to judge: listening, dialling, accepting, and running a case on each end.

use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Conn, DialerExt, Error, ErrorKind, ListenOptions, Listener,
    Result,
};

use crate::verdict::{Failure, Verdict};
use crate::waiting::within;
use crate::{Outcome, Subject};

/// How often a case that came too late is tried: a late timer may be the machine's fault, an early
/// one never is.
const ATTEMPTS: usize = 3;

/// A connection, seen from the end under judgement.
pub(crate) struct Pair {
    /// The end under judgement.
    pub(crate) conn: Box<dyn Conn>,
    /// The other end.
    pub(crate) peer: Box<dyn Conn>,
    /// What the library can do.
    pub(crate) capabilities: Capabilities,
    /// Which end `conn` is.
    pub(crate) end: End,
    /// To make more of its kind.
    pub(crate) place: Rendezvous,
}

/// The two ends of a connection; as it is made, the dialed one first.
pub(crate) type Ends = (Box<dyn Conn>, Box<dyn Conn>);

/// Which end of a connection is under judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Dialed,
    Accepted,
}

impl End {
    /// This end of a connection, then the other one.
    pub(crate) fn of(self, (dialed, accepted): Ends) -> Ends {
        match self {
            Self::Dialed => (dialed, accepted),
            Self::Accepted => (accepted, dialed),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialed => "the dialed end",
            Self::Accepted => "the accepted end",
        })
    }
}

/// Runs a case once.
pub(crate) fn once<F>(
    subject: Arc<Subject>,
    case: fn(Arc<Subject>) -> F,
) -> BoxFuture<'static, Outcome>
where
    F: Future<Output = Verdict> + Send + 'static,
{
    Box::pin(async move { retried(|| case(Arc::clone(&subject))).await.into() })
}

/// Runs a case with either end of a connection under judgement, over the first address.
pub(crate) fn on_both_ends<F>(
    subject: Arc<Subject>,
    case: fn(Pair) -> F,
) -> BoxFuture<'static, Outcome>
where
    F: Future<Output = Verdict> + Send + 'static,
{
    Box::pin(async move {
        let address = match first_address(&subject) {
            Ok(address) => address,
            Err(failure) => return Err(failure).into(),
        };
        both_ends(&subject, &address, case).await.into()
    })
}

/// Runs a case with either end under judgement, over every address of the library and over a Unix
/// path where it has them.
pub(crate) fn on_every_address<F>(
    subject: Arc<Subject>,
    case: fn(Pair) -> F,
) -> BoxFuture<'static, Outcome>
where
    F: Future<Output = Verdict> + Send + 'static,
{
    Box::pin(async move {
        for address in &subject.addresses {
            if let Err(failure) = both_ends(&subject, address, case).await {
                return Err(failure.of(address)).into();
            }
        }
        if !subject.transport.capabilities().unix_paths {
            return Outcome::Passed;
        }
        let folder = match TemporaryFolder::new() {
            Ok(folder) => folder,
            Err(failure) => return Err(failure).into(),
        };
        let address = folder.address("socket");
        both_ends(&subject, &address, case).await.map_err(|failure| failure.of(&address)).into()
    })
}

async fn both_ends<F>(subject: &Arc<Subject>, address: &Addr, case: fn(Pair) -> F) -> Verdict
where
    F: Future<Output = Verdict> + Send + 'static,
{
    for end in [End::Dialed, End::Accepted] {
        retried(|| async {
            let mut place = Rendezvous::at(subject, address).await?;
            let (conn, peer) = end.of(place.connect().await?);
            let capabilities = subject.transport.capabilities();
            case(Pair { conn, peer, capabilities, end, place }).await
        })
        .await
        .map_err(|failure| failure.of(end))?;
    }
    Ok(())
}

/// Tries again what came too late.
pub(crate) async fn retried<F: Future<Output = Verdict>>(
    mut attempt: impl FnMut() -> F,
) -> Verdict {
    let mut last = Ok(());
    for _ in 0..ATTEMPTS {
        last = attempt().await;
        if !matches!(last, Err(Failure::Late(_))) {
            break;
        }
    }
    last
}

/// A listener, and the way to it.
pub(crate) struct Rendezvous {
    /// The library under judgement.
    pub(crate) subject: Arc<Subject>,
    /// The listener.
    pub(crate) listener: Box<dyn Listener>,
    /// Where it listens, with its real port.
    pub(crate) address: Addr,
}

impl Rendezvous {
    /// Listens on the library's first address.
    pub(crate) async fn new(subject: &Arc<Subject>) -> Verdict<Self> {
        Self::at(subject, &first_address(subject)?).await
    }

    /// Listens on `address`.
    pub(crate) async fn at(subject: &Arc<Subject>, address: &Addr) -> Verdict<Self> {
        let listener = listen(subject, address)?;
        let address = listener.local_addr();
        Ok(Self { subject: Arc::clone(subject), listener, address })
    }

    /// A new connection: its dialed end, then its accepted end.
    pub(crate) async fn connect(&mut self) -> Verdict<Ends> {
        // A dial that fails is not waited for at the listener.
        tokio::try_join!(dial(&self.subject, &self.address), accept(&mut *self.listener),)
    }
}

/// Listens on `address` with one listener and the options of a default.
pub(crate) fn listen(subject: &Subject, address: &Addr) -> Verdict<Box<dyn Listener>> {
    let mut options = ListenOptions::default();
    // How long a library of streams may take to forget a client that says nothing more.
    options.streams.idle_timeout = Some(Duration::from_secs(5));
    let listeners = subject.transport.listen(address, &options)?;
    let count = listeners.len();
    match <[_; 1]>::try_from(listeners) {
        Ok([listener]) => Ok(listener),
        Err(_) => Err(Failure::broken(format_args!("listen gave {count} listeners for one shard"))),
    }
}

/// The next connection of `listener`, its handshake done; fails when none comes.
pub(crate) async fn accept(listener: &mut dyn Listener) -> Verdict<Box<dyn Conn>> {
    let incoming = within("accept", poll_fn(|cx| listener.poll_accept(cx))).await??;
    let connection = within("the handshake", incoming.accept()).await??;
    match connection.into_bytes() {
        Some(conn) => Ok(conn),
        None => Err(Failure::broken("accept gave streams, expected a byte stream")),
    }
}

/// A connection to `address`; fails when it does not come about.
pub(crate) async fn dial(subject: &Subject, address: &Addr) -> Verdict<Box<dyn Conn>> {
    Ok(within("dial", try_dial(subject, address)).await??)
}

/// A connection to `address`, or what the library says instead.
pub(crate) async fn try_dial(subject: &Subject, address: &Addr) -> Result<Box<dyn Conn>> {
    subject.dialer.dial_timeout(address, Some(Duration::from_secs(10))).await
}

/// A connection over the library's first address: its dialed end, then its accepted end.
pub(crate) async fn connected(subject: &Arc<Subject>) -> Verdict<Ends> {
    Rendezvous::new(subject).await?.connect().await
}

/// The library's first address, where any will do.
pub(crate) fn first_address(subject: &Subject) -> Verdict<Addr> {
    subject.addresses.first().cloned().ok_or_else(|| Failure::broken("the subject has no address"))
}

/// A folder for Unix sockets; goes with all that is in it when dropped.
pub(crate) struct TemporaryFolder {
    path: PathBuf,
}

impl TemporaryFolder {
    /// A new, empty folder.
    pub(crate) fn new() -> Verdict<Self> {
        let base = std::env::temp_dir();
        let mut number = 0;
        loop {
            // Creating fails on a name that is taken, so a name is nobody else's.
            let path = base.join(format!("dipole-conformance-{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => {
                    let text = format!("create {}", path.display());
                    return Err(Error::from(error).context(text).into());
                }
            }
        }
    }

    /// The address of a Unix socket in it.
    pub(crate) fn address(&self, name: &str) -> Addr {
        Addr::unix(self.path.join(name))
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A folder that cannot be removed is left in the system's temporary folder.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// Fails as not applicable unless the library has half-close.
pub(crate) fn needs_half_close(capabilities: &Capabilities) -> Verdict {
    match capabilities.half_close {
        true => Ok(()),
        false => Err(Failure::not_applicable("half_close")),
    }
}

/// The kinds of error of a connection whose peer is gone.
pub(crate) const GONE: &[ErrorKind] = &[ErrorKind::Closed, ErrorKind::Reset];
