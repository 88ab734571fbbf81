//! L5, L6: running out of descriptors, and being given one.

use std::sync::Arc;

use crate::Subject;
use crate::verdict::{Failure, Verdict};

/// L5.
#[cfg(unix)]
pub(super) async fn exhausted(subject: Arc<Subject>) -> Verdict {
    if !subject.transport.capabilities().uses_descriptors {
        return Err(Failure::not_applicable("uses_descriptors"));
    }
    unix::the_listener_recovers(&subject).await?;
    match subject.host {
        Some(_) => unix::the_server_recovers(&subject).await,
        None => Ok(()),
    }
}

/// L6.
#[cfg(unix)]
pub(super) async fn given(subject: Arc<Subject>) -> Verdict {
    let capabilities = subject.transport.capabilities();
    if !capabilities.descriptors {
        return Err(Failure::not_applicable("descriptors"));
    }
    if capabilities.tcp {
        unix::given_tcp(&subject).await.map_err(|failure| failure.of("a TCP listener"))?;
    }
    if capabilities.unix_paths {
        unix::given_unix(&subject).await.map_err(|failure| failure.of("a Unix listener"))?;
    }
    Ok(())
}

/// Elsewhere the limit cannot be lowered.
#[cfg(not(unix))]
pub(super) async fn exhausted(_: Arc<Subject>) -> Verdict {
    Err(Failure::not_applicable("a limit of descriptors on this system"))
}

/// Elsewhere a socket is no descriptor.
#[cfg(not(unix))]
pub(super) async fn given(_: Arc<Subject>) -> Verdict {
    Err(Failure::not_applicable("descriptors on this system"))
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::future::poll_fn;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use dipole_net::{Addr, Conn, ConnExt, Error, ListenOptions};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::listener::stage::Stage;
    use crate::pair::{Rendezvous, TemporaryFolder, dial, first_address};
    use crate::process::open_descriptors;
    use crate::verdict::{expect, expect_bytes, expect_equal};
    use crate::waiting::within;

    /// How long a caller waits after a temporary error.
    const BACKOFF: Duration = Duration::from_millis(5);
    /// How long the process is without descriptors.
    const DROUGHT: Duration = Duration::from_millis(100);
    const WAITING: usize = 4;

    /// `poll_accept` says that descriptors have run out, or waits; then it goes on.
    pub(super) async fn the_listener_recovers(subject: &Arc<Subject>) -> Verdict {
        let mut place = Rendezvous::new(subject).await?;
        drop(place.connect().await?);
        let mut dialled = Vec::new();
        for _ in 0..WAITING {
            dialled.push(dial(subject, &place.address).await?);
        }
        let drought = Drought::begin()?;
        let mut accepted = accept_for(DROUGHT, &mut place, WAITING).await?;
        drop(drought);
        let missing = WAITING - accepted.len();
        let late = accept_for(Duration::from_secs(5), &mut place, missing).await?;
        accepted.extend(late);
        expect_equal(accepted.len(), WAITING, "connections accepted when descriptors are back")?;
        for conn in &mut dialled {
            conn.write_all(b"x").await?;
        }
        for conn in &mut accepted {
            let seen = within("the first byte", conn.peek(1)).await??;
            expect_bytes(seen, b"x", "a connection that waited for descriptors")?;
        }
        place.connect().await.map_err(|failure| failure.of("after EMFILE"))?;
        Ok(())
    }

    /// Up to `count` connections that come within `window`. Temporary errors are waited out, others
    /// are not forgiven.
    async fn accept_for(
        window: Duration,
        place: &mut Rendezvous,
        count: usize,
    ) -> Verdict<Vec<Box<dyn Conn>>> {
        let end = Instant::now() + window;
        let mut accepted = Vec::new();
        while accepted.len() < count && Instant::now() < end {
            let next = poll_fn(|cx| place.listener.poll_accept(cx));
            match timeout(BACKOFF, next).await {
                Ok(Ok(incoming)) => accepted.extend(incoming.accept().await?.into_bytes()),
                Ok(Err(error)) => {
                    expect(error.is_temporary(), || {
                        format!("accept without descriptors gave Err({:?})", error.kind())
                    })?;
                    sleep(BACKOFF).await;
                }
                Err(_) => {}
            }
        }
        Ok(accepted)
    }

    /// A client that comes while there are no descriptors is served later.
    pub(super) async fn the_server_recovers(subject: &Arc<Subject>) -> Verdict {
        let stage = Stage::start(subject).await?;
        stage.client().await?.expect_quick_answer().await?;
        let mut drought = Drought::begin()?;
        drought.relent(1);
        let mut client = stage.client().await?;
        client.send(&stage.host.quick_request()).await?;
        sleep(DROUGHT).await;
        drop(drought);
        client.expect_answer(true).await.map_err(|failure| failure.of("a server after EMFILE"))?;
        stage.client().await?.expect_quick_answer().await?;
        stage.end().await
    }

    /// The process has no descriptor left, until this is dropped.
    struct Drought {
        files: Vec<File>,
        previous: Rlimit,
    }

    impl Drought {
        fn begin() -> Verdict<Self> {
            // Free numbers below the highest one in use are filled too, so the limit can be a
            // little above what is open.
            const ROOM: usize = 64;
            let previous = getrlimit(Resource::Nofile);
            let open = open_descriptors().unwrap_or(1024) + ROOM;
            let limit = previous.current.map_or(open as u64, |limit| limit.min(open as u64));
            let lowered = Rlimit { current: Some(limit), maximum: previous.maximum };
            setrlimit(Resource::Nofile, lowered)
                .map_err(|error| Error::from(std::io::Error::from(error)))?;
            let mut drought = Self { files: Vec::new(), previous };
            loop {
                match File::open("/dev/null") {
                    Ok(file) => drought.files.push(file),
                    Err(error) => {
                        let error = Error::from(error);
                        return if error.is_temporary() { Ok(drought) } else { Err(error.into()) };
                    }
                }
            }
        }

        /// Gives `count` descriptors back.
        fn relent(&mut self, count: usize) {
            self.files.truncate(self.files.len().saturating_sub(count));
        }
    }

    impl Drop for Drought {
        fn drop(&mut self) {
            // It was this process's limit before, so it may have it again.
            let _ = setrlimit(Resource::Nofile, self.previous);
        }
    }

    pub(super) async fn given_tcp(subject: &Arc<Subject>) -> Verdict {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(Error::from)?;
        let addr = Addr::Ip(listener.local_addr().map_err(Error::from)?);
        // The address in the call is not the descriptor's: it is not bound.
        let any = first_address(subject)?;
        listens_on(subject, &any, listener.into(), addr).await
    }

    pub(super) async fn given_unix(subject: &Arc<Subject>) -> Verdict {
        let folder = TemporaryFolder::new()?;
        let path = folder.path().join("given");
        let listener = std::os::unix::net::UnixListener::bind(&path).map_err(Error::from)?;
        let addr = Addr::unix(path);
        listens_on(subject, &folder.address("other"), listener.into(), addr).await
    }

    async fn listens_on(
        subject: &Arc<Subject>,
        asked: &Addr,
        descriptor: OwnedFd,
        expected: Addr,
    ) -> Verdict {
        let mut options = ListenOptions::default();
        options.descriptor = Some(descriptor.into());
        let mut listeners = subject.transport.listen(asked, &options)?;
        expect_equal(listeners.len(), 1, "the number of listeners")?;
        let listener = listeners.remove(0);
        expect_equal(listener.local_addr(), expected.clone(), "local_addr")?;
        let mut place = Rendezvous { subject: Arc::clone(subject), listener, address: expected };
        let (mut dialed, mut accepted) = place.connect().await?;
        dialed.write_all(b"x").await?;
        expect_bytes(accepted.peek(1).await?, b"x", "over the given listener")
    }
}
