//! A certificate for this machine, kept, so that a browser need trust it once.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dipole_net::{Error, Result};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{ServerName, UnixTime};

use crate::authority::{Issued, self_signed};
use crate::identity::{parse_certificates, read};
use crate::{Identity, Roots};

/// What a browser on this machine may call it.
const NAMES: &[&str] = &["localhost", "127.0.0.1", "::1"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that browsers accept (CA/Browser Forum's Baseline Requirements, section 6.3.2).
const VALID: Duration = Duration::from_secs(397 * DAY.as_secs());
/// Clocks of other machines may be late.
const BEFORE: Duration = DAY;
/// Certificate and key in one file, so that it is replaced as a whole.
const IDENTITY: &str = "localhost.pem";
/// The certificate alone, for whoever is to trust it.
const CERTIFICATE: &str = "localhost.crt";

/// A self-signed certificate for `localhost`, `127.0.0.1` and `::1`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DevelopmentIdentity {
    /// To be shown.
    pub identity: Identity,
    /// The file with the certificate alone, in PEM, to be trusted by browsers and `--cacert`.
    pub certificate: PathBuf,
    /// True when it was made just now: because there was none, or none that is still valid for a
    /// day.
    pub is_new: bool,
}

impl DevelopmentIdentity {
    /// The one in `directory`, which is made if need be; its key is readable for its owner alone.
    /// One that is not valid at `now`, and for a day longer, is replaced.
    ///
    /// # Errors
    /// The file system's, with the file's name.
    pub fn in_directory(directory: impl AsRef<Path>, now: SystemTime) -> Result<Self> {
        let directory = directory.as_ref();
        make_directory(directory)?;
        let (path, certificate) = (directory.join(IDENTITY), directory.join(CERTIFICATE));
        if let Some(identity) = still_good(&path, now)
            && certificate.exists()
        {
            return Ok(Self { identity, certificate, is_new: false });
        }
        let Issued { identity, certificate: text, key, .. } =
            self_signed(NAMES, now - BEFORE..now - BEFORE + VALID)?;
        replace(&path, format!("{text}{key}").as_bytes(), 0o600)?;
        replace(&certificate, text.as_bytes(), 0o644)?;
        Ok(Self { identity, certificate, is_new: true })
    }
}

/// `None` also where it cannot be read: then it is made anew, or that fails and says why.
fn still_good(path: &Path, now: SystemTime) -> Option<Identity> {
    let identity = Identity::from_pem_files(path, path).ok()?;
    let text = read(path).ok()?;
    let leaf = parse_certificates(&text).ok()?.swap_remove(0);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Roots::Pem(text).server_verifier(&provider).ok()?;
    let tomorrow = (now + DAY).duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let good = NAMES.iter().all(|&name| {
        ServerName::try_from(name).is_ok_and(|name| {
            let at = UnixTime::since_unix_epoch(tomorrow);
            verifier.verify_server_cert(&leaf, &[], &name, &[], at).is_ok()
        })
    });
    good.then_some(identity)
}

fn make_directory(directory: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| failed("make", directory, error))
}

/// Replaces a file as a whole: whoever reads it meanwhile sees the old or the new one.
fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(&new).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(|error| failed("write", path, error))
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::from(error).context(format!("cannot {what} {}", path.display()))
}
