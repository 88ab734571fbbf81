//! Certificates made on the spot, for development and tests.

use std::ops::Range;
use std::time::SystemTime;

use dipole_net::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::fault::configuration;
use crate::{Identity, Roots};

/// An authority that issues certificates for development and tests. Nobody trusts it but those who
/// are given its [`roots`](Self::roots).
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new authority of this name, valid for so long.
    ///
    /// # Errors
    /// Keys cannot be generated.
    pub fn new(name: &str, valid: Range<SystemTime>) -> Result<Self> {
        let mut parameters = parameters(&[], name, valid)?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(configuration)?;
        let certificate = parameters.self_signed(&key).map_err(configuration)?.pem();
        Ok(Self { issuer: Issuer::new(parameters, key), certificate })
    }

    /// Issues a certificate for these names and IP addresses, valid for so long.
    ///
    /// # Errors
    /// A name is none, or keys cannot be generated.
    pub fn issue(&self, names: &[&str], valid: Range<SystemTime>) -> Result<Issued> {
        let parameters = leaf(names, valid)?;
        let key = KeyPair::generate().map_err(configuration)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(configuration)?;
        Issued::new(certificate.pem(), &key)
    }

    /// Trusts this authority alone.
    #[must_use]
    pub fn roots(&self) -> Roots {
        Roots::Pem(self.certificate.clone().into_bytes())
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

/// A certificate that nobody issued but itself, for these names and IP addresses.
pub(crate) fn self_signed(names: &[&str], valid: Range<SystemTime>) -> Result<Issued> {
    let key = KeyPair::generate().map_err(configuration)?;
    let certificate = leaf(names, valid)?.self_signed(&key).map_err(configuration)?;
    Issued::new(certificate.pem(), &key)
}

/// A certificate with its key.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Issued {
    /// To be shown.
    pub identity: Identity,
    /// The certificate, in PEM.
    pub certificate: String,
    /// The private key, PKCS #8 in PEM.
    pub key: String,
}

impl Issued {
    fn new(certificate: String, key: &KeyPair) -> Result<Self> {
        let key = key.serialize_pem();
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes())?;
        Ok(Self { identity, certificate, key })
    }
}

fn leaf(names: &[&str], valid: Range<SystemTime>) -> Result<CertificateParams> {
    let mut parameters = parameters(names, names.first().unwrap_or(&"nobody"), valid)?;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(parameters)
}

fn parameters(
    names: &[&str],
    common_name: &str,
    valid: Range<SystemTime>,
) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut parameters = CertificateParams::new(names).map_err(configuration)?;
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters.not_before = valid.start.into();
    parameters.not_after = valid.end.into();
    Ok(parameters)
}
