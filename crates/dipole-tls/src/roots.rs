//! Whom to trust.

use std::path::Path;
use std::sync::Arc;

use dipole_net::{Error, Result, TlsFault};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::fault::configuration;
use crate::identity::{parse_certificates, read};

/// The authorities that a peer's certificate has to come from.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Roots {
    /// Whomever this machine trusts, as its system verifies. The default.
    #[default]
    Platform,
    /// These certificates alone, in PEM. A certificate may be the peer's own.
    Pem(Vec<u8>),
    /// Anybody: certificates are not verified at all, so whoever is in the way can read and change
    /// everything. For tests against a server that nobody vouches for.
    DangerouslyTrustAnybody,
}

impl Roots {
    /// The authorities in a file in PEM, alone.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn from_pem_file(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::Pem(read(path.as_ref())?))
    }

    /// What verifies a server by these.
    pub(crate) fn server_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>> {
        let provider = Arc::clone(provider);
        Ok(match self {
            Self::Platform => Arc::new(
                rustls_platform_verifier::Verifier::new(provider)
                    .map_err(|error| configuration(error).context("the system's certificates"))?,
            ),
            Self::Pem(text) => {
                WebPkiServerVerifier::builder_with_provider(Arc::new(store(text)?), provider)
                    .build()
                    .map_err(configuration)?
            }
            Self::DangerouslyTrustAnybody => Arc::new(Anybody { provider }),
        })
    }

    /// The certificates by which a server verifies its clients.
    ///
    /// # Errors
    /// `Tls`: these are not certificates that were given.
    pub(crate) fn client_store(&self) -> Result<RootCertStore> {
        match self {
            Self::Pem(text) => store(text),
            Self::Platform | Self::DangerouslyTrustAnybody => Err(Error::tls(
                TlsFault::Configuration,
                "clients are verified by given authorities only",
            )),
        }
    }
}

fn store(text: &[u8]) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in parse_certificates(text)? {
        store.add(certificate).map_err(configuration)?;
    }
    Ok(store)
}

/// Takes any certificate; signatures of the handshake are checked, so that the peer has its key.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
