//! The files of the disk, as `ServeDir` opens and reads them.
//!
//! What differs from `ServeDir`'s own way: only regular files are opened (opening a named pipe
//! would wait for its writer, and hold a thread as long); a file that grows while it is sent is
//! sent as long as it was; and what the system holds in memory is found and read without a change
//! of thread, which would cost more than all the rest (`memory`).

use std::fs::{File, Metadata, OpenOptions};
use std::future::{Ready, ready};
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};
use tower_http::services::fs;

/// The disk.
#[derive(Debug, Clone)]
pub(super) struct Disk;

type BoxFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl fs::Backend for Disk {
    type File = DiskFile;
    type Metadata = Metadata;
    type OpenFuture = BoxFuture<DiskFile>;
    type MetadataFuture = BoxFuture<Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        Box::pin(async move {
            match memory::open(&path) {
                Some(file) => DiskFile::of(file?),
                None => blocking(move || DiskFile::of(open(&path)?)).await,
            }
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        Box::pin(async move {
            match memory::metadata(&path) {
                Some(metadata) => metadata,
                None => blocking(move || std::fs::metadata(path)).await,
            }
        })
    }
}

/// Runs a call that may wait for the disk where it holds nothing else up.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(call).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// An open file, as long as it was when it was opened.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: Arc<File>,
    metadata: Metadata,
    position: u64,
    /// A read that waits for the disk, on another thread.
    reading: Option<JoinHandle<io::Result<Vec<u8>>>>,
}

impl DiskFile {
    fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { file: Arc::new(file), metadata, position: 0, reading: None })
    }

    /// How much the next read asks for, at most `room`.
    fn wanted(&self, room: usize) -> usize {
        let left = self.metadata.len().saturating_sub(self.position);
        usize::try_from(left).unwrap_or(usize::MAX).min(room)
    }
}

impl fs::File for DiskFile {
    type Metadata = Metadata;
    type MetadataFuture<'a> = Ready<io::Result<Metadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(self.metadata.clone()))
    }
}

impl AsyncRead for DiskFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let Poll::Ready(read) = Pin::new(reading).poll(cx) else {
                    return Poll::Pending;
                };
                self.reading = None;
                let data = read.unwrap_or_else(|error| Err(io::Error::other(error)))?;
                // The room may be less than when the read began; the rest is read again.
                let data = &data[..data.len().min(buffer.remaining())];
                buffer.put_slice(data);
                self.position += data.len() as u64;
                return Poll::Ready(Ok(()));
            }
            let wanted = self.wanted(buffer.remaining());
            if wanted == 0 {
                return Poll::Ready(Ok(()));
            }
            let room = buffer.initialize_unfilled_to(wanted);
            if let Some(read) = memory::read_at(&self.file, room, self.position) {
                buffer.advance(read);
                self.position += read as u64;
                return Poll::Ready(Ok(()));
            }
            let (file, position) = (Arc::clone(&self.file), self.position);
            self.reading = Some(spawn_blocking(move || read_at(&file, wanted, position)));
        }
    }
}

impl AsyncSeek for DiskFile {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let (base, distance) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(distance) => (self.metadata.len(), distance),
            SeekFrom::Current(distance) => (self.position, distance),
        };
        self.position = base.checked_add_signed(distance).ok_or(io::ErrorKind::InvalidInput)?;
        self.reading = None;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

/// Opens a file; whatever else is there does not hold the caller up.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let nonblock = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        options.custom_flags(nonblock);
    }
    options.open(path)
}

fn read_at(file: &File, length: usize, position: u64) -> io::Result<Vec<u8>> {
    let mut data = vec![0; length];
    let read = loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, &mut data, position);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, &mut data, position);
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    data.truncate(read);
    Ok(data)
}

/// What the system holds in memory. `None`: the disk would have to be waited for, or the system
/// cannot tell.
#[cfg(target_os = "linux")]
mod memory {
    use std::fs::{File, Metadata};
    use std::io::{self, IoSliceMut};
    use std::path::Path;

    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    pub(super) fn open(path: &Path) -> Option<io::Result<File>> {
        find(path, OFlags::RDONLY | OFlags::NONBLOCK)
    }

    pub(super) fn metadata(path: &Path) -> Option<io::Result<Metadata>> {
        Some(find(path, OFlags::PATH)?.and_then(|file| file.metadata()))
    }

    fn find(path: &Path, flags: OFlags) -> Option<io::Result<File>> {
        match openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::CACHED) {
            Ok(descriptor) => Some(Ok(descriptor.into())),
            // Not in memory; or a kernel before 5.12, or a sandbox, that does not know the call.
            Err(Errno::AGAIN | Errno::INVAL | Errno::NOSYS | Errno::PERM) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    pub(super) fn read_at(file: &File, room: &mut [u8], position: u64) -> Option<usize> {
        preadv2(file, &mut [IoSliceMut::new(room)], position, ReadWriteFlags::NOWAIT).ok()
    }
}

/// No other system says what it holds in memory.
#[cfg(not(target_os = "linux"))]
mod memory {
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::Path;

    pub(super) fn open(_: &Path) -> Option<io::Result<File>> {
        None
    }

    pub(super) fn metadata(_: &Path) -> Option<io::Result<Metadata>> {
        None
    }

    pub(super) fn read_at(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
        None
    }
}
