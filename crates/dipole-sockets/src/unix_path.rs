//! The file of a Unix socket: whose it is, and that it goes with its listener.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dipole_net::Keepsake;
use socket2::{Domain, SockAddr, Socket, Type};

/// Takes charge of the path that a Unix socket is bound to: it is unlinked when the last clone of
/// what this gives is dropped, unless somebody has put another file there since.
///
/// # Errors
/// There is nothing at `path`.
pub fn own_path(path: &Path) -> io::Result<Keepsake> {
    Ok(Arc::new(UnixPath::bound(path)?))
}

/// A path that a listener of ours is bound to; unlinked at the end, if it is still ours (L7).
#[derive(Debug)]
pub(crate) struct UnixPath {
    path: PathBuf,
    /// Device and inode, which tell whether somebody has put another file there since.
    identity: (u64, u64),
}

impl UnixPath {
    /// Takes charge of a path that was just bound.
    pub(crate) fn bound(path: &Path) -> io::Result<Self> {
        let metadata = path.symlink_metadata()?;
        Ok(Self { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) })
    }

    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(mode))
    }
}

impl Drop for UnixPath {
    fn drop(&mut self) {
        let is_ours = self
            .path
            .symlink_metadata()
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if is_ours {
            // Nobody is left to tell; a path that stays is replaced by the next listener.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket file of a process that is gone. A file of another kind, or a socket that
/// somebody listens on, stays, and the bind that follows fails with `AddrInUse`.
pub(crate) fn remove_if_dead(path: &Path, address: &SockAddr) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        _ => Ok(()),
    }
}
