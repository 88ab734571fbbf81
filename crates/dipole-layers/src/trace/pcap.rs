//! A capture file (draft-ietf-opsawg-pcap).

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

/// A capture file that several connections write to; clones are the same file.
///
/// It is one of Ethernet frames with IP and TCP headers made up around the bytes, so that Wireshark
/// and tcpdump follow the streams. An end without an IP address gets one of 192.0.2.0/24 or
/// 2001:db8::/32. Times are those of tokio's clock.
#[derive(Clone)]
pub struct Pcap {
    shared: Arc<Shared>,
}

struct Shared {
    begin: (SystemTime, Instant),
    /// `None` after a failed write: the rest of the capture would make no sense.
    file: Mutex<Option<Box<dyn Write + Send>>>,
}

/// The longest frame that is written: all that IP can carry.
const LONGEST: u32 = 65_550;
const ETHERNET: u32 = 1;

impl Pcap {
    /// Makes a file, in place of what is there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::to(BufWriter::new(File::create(path)?))
    }

    /// Writes a capture to `file`.
    ///
    /// # Errors
    /// The first write fails.
    pub fn to(mut file: impl Write + Send + 'static) -> io::Result<Self> {
        file.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?; // times in nanoseconds
        file.write_all(&2_u16.to_le_bytes())?; // version 2.4
        file.write_all(&4_u16.to_le_bytes())?;
        file.write_all(&[0; 8])?;
        file.write_all(&LONGEST.to_le_bytes())?;
        file.write_all(&ETHERNET.to_le_bytes())?;
        let file: Box<dyn Write + Send> = Box::new(file);
        let begin = (SystemTime::now(), Instant::now());
        Ok(Self { shared: Arc::new(Shared { begin, file: Mutex::new(Some(file)) }) })
    }

    /// Writes what is held back, as dropping the last clone does.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().as_mut().map_or(Ok(()), |file| file.flush())
    }

    pub(super) fn write(&self, frames: &[Vec<u8>]) {
        let (begin, instant) = self.shared.begin;
        let time = begin + instant.elapsed();
        let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut file = self.lock();
        for frame in frames {
            let Some(open) = &mut *file else { return };
            let length = (frame.len() as u32).to_le_bytes();
            let mut record = Vec::with_capacity(16 + frame.len());
            record.extend_from_slice(&(time.as_secs() as u32).to_le_bytes());
            record.extend_from_slice(&time.subsec_nanos().to_le_bytes());
            record.extend_from_slice(&length);
            record.extend_from_slice(&length);
            record.extend_from_slice(frame);
            if let Err(error) = open.write_all(&record) {
                tracing::warn!(%error, "the capture file cannot be written and ends here");
                *file = None;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Box<dyn Write + Send>>> {
        self.shared.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pcap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pcap").finish_non_exhaustive()
    }
}
