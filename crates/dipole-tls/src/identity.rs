//! A certificate chain with its private key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use dipole_net::{Error, Result, TlsFault};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::fault::configuration;

/// What one end shows of itself: a chain of certificates, leaf first, and the leaf's private key.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads a chain and a key from two files in PEM; they may be one and the same.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` or `Io` with the file's name; otherwise as
    /// [`from_pem`](Self::from_pem).
    pub fn from_pem_files(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        let chain = parse_certificates(&read(certificates)?)
            .map_err(|error| error.context(certificates.display().to_string()))?;
        let parsed =
            parse_key(&read(key)?).map_err(|error| error.context(key.display().to_string()))?;
        Self::from_parts(chain, parsed).map_err(|error| {
            error.context(format!("{} and {}", certificates.display(), key.display()))
        })
    }

    /// Reads a chain and a key (PKCS #8, PKCS #1 or SEC 1, not encrypted) in PEM.
    ///
    /// # Errors
    /// `Tls` with [`TlsFault::Configuration`]: there is no certificate, no key, a key of a kind
    /// that is not supported, or one that is not the certificate's.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self> {
        Self::from_parts(parse_certificates(certificates)?, parse_key(key)?)
    }

    fn from_parts(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self> {
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| {
            configuration(error).context("the private key is of a kind that is not supported")
        })?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Self { key: Arc::new(key) })
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(Error::tls(
                TlsFault::Configuration,
                "the private key does not belong to the certificate",
            )),
            Err(error) => Err(configuration(error).context("the certificate cannot be used")),
        }
    }

    /// For QUIC libraries and others that take rustls's values.
    #[must_use]
    pub fn rustls_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.key.cert.len()).finish()
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| Error::from(error).context(format!("cannot read {}", path.display())))
}

/// At least one certificate.
pub(crate) fn parse_certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| broken("a certificate", error))?;
    if certificates.is_empty() {
        return Err(Error::tls(TlsFault::Configuration, "there is no certificate in PEM in it"));
    }
    Ok(certificates)
}

fn parse_key(text: &[u8]) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            Error::tls(TlsFault::Configuration, "there is no private key in PEM in it")
        }
        error => broken("a private key", error),
    })
}

fn broken(what: &str, error: pem::Error) -> Error {
    let text = match error {
        pem::Error::MissingSectionEnd { .. } => format!("it ends in the midst of {what}"),
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is broken".into(),
        error => return configuration(error).context(format!("cannot read {what} in PEM")),
    };
    Error::tls(TlsFault::Configuration, text)
}
