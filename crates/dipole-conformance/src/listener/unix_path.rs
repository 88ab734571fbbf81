//! L7: whose a Unix path is.

use std::sync::Arc;

use crate::Subject;
use crate::verdict::{Failure, Verdict};

/// L7.
#[cfg(unix)]
pub(super) async fn whose_it_is(subject: Arc<Subject>) -> Verdict {
    if !subject.transport.capabilities().unix_paths {
        return Err(Failure::not_applicable("unix_paths"));
    }
    unix::dead_is_replaced(&subject).await?;
    unix::live_stays(&subject)?;
    unix::other_file_stays(&subject)?;
    unix::unlinked_at_the_end(&subject).await
}

/// Elsewhere std has no Unix sockets to leave behind.
#[cfg(not(unix))]
pub(super) async fn whose_it_is(_: Arc<Subject>) -> Verdict {
    Err(Failure::not_applicable("Unix sockets on this system"))
}

#[cfg(unix)]
mod unix {
    use std::num::NonZeroUsize;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;

    use dipole_net::{Addr, Error, ErrorKind, ListenOptions};

    use super::*;
    use crate::pair::{Rendezvous, TemporaryFolder};
    use crate::verdict::{expect, expect_error};

    pub(super) async fn dead_is_replaced(subject: &Arc<Subject>) -> Verdict {
        let folder = TemporaryFolder::new()?;
        // std leaves the path when the listener goes, as a killed process does.
        drop(UnixListener::bind(folder.path().join("socket")).map_err(Error::from)?);
        let dead = |failure: Failure| failure.of("a path left by a dead process");
        let place = Rendezvous::at(subject, &folder.address("socket")).await;
        place.map_err(dead)?.connect().await.map_err(dead)?;
        Ok(())
    }

    pub(super) fn live_stays(subject: &Subject) -> Verdict {
        let folder = TemporaryFolder::new()?;
        let path = folder.path().join("socket");
        let live = UnixListener::bind(&path).map_err(Error::from)?;
        expect_in_use(subject, &path, "the path of a live process")?;
        live.set_nonblocking(true).map_err(Error::from)?;
        // What came before ours is the library's own look whether anybody is there.
        while live.accept().is_ok() {}
        let reached = UnixStream::connect(&path).is_ok() && live.accept().is_ok();
        expect(reached, || "a live process is no longer reached at its path")
    }

    pub(super) fn other_file_stays(subject: &Subject) -> Verdict {
        let folder = TemporaryFolder::new()?;
        let path = folder.path().join("file");
        std::fs::write(&path, "precious").map_err(Error::from)?;
        expect_in_use(subject, &path, "the path of a file that is no socket")?;
        let kept = std::fs::read(&path).is_ok_and(|content| content == b"precious");
        expect(kept, || "a file that is no socket was removed")
    }

    pub(super) async fn unlinked_at_the_end(subject: &Arc<Subject>) -> Verdict {
        let folder = TemporaryFolder::new()?;
        let path = folder.path().join("socket");
        let mut options = ListenOptions::default();
        options.shards = NonZeroUsize::MIN.saturating_add(1);
        let mut listeners = subject.transport.listen(&Addr::unix(&path), &options)?;
        drop(listeners.pop());
        expect(path.exists(), || "the path went with the first of two shards")?;
        let Some(listener) = listeners.pop() else {
            return Err(Failure::broken("listen gave one listener for two shards"));
        };
        let address = listener.local_addr();
        let mut place = Rendezvous { subject: Arc::clone(subject), listener, address };
        let (dialed, accepted) = place.connect().await?;
        drop(place);
        expect(!path.exists(), || "the path is still there after the last listener has gone")?;
        drop((dialed, accepted));

        // A path that somebody else has taken over meanwhile is theirs.
        let place = Rendezvous::at(subject, &Addr::unix(&path)).await?;
        std::fs::remove_file(&path).map_err(Error::from)?;
        let theirs = UnixListener::bind(&path).map_err(Error::from)?;
        drop(place);
        expect(path.exists(), || "the path was unlinked though it is another process's by now")?;
        drop(theirs);
        Ok(())
    }

    fn expect_in_use(subject: &Subject, path: &Path, what: &str) -> Verdict {
        let listened = subject.transport.listen(&Addr::unix(path), &ListenOptions::default());
        expect_error(listened, &ErrorKind::AddrInUse, format!("listen on {what}")).map(drop)
    }
}
