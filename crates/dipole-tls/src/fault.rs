//! rustls's errors as the contract's.

use dipole_net::{Error, ErrorKind, TlsFault};
use rustls::CertificateError;

/// An error of kind `Tls` with its reason.
pub(crate) fn error(error: rustls::Error) -> Error {
    Error::tls(reason(&error), error)
}

/// An error of this end's certificates, keys or options.
pub(crate) fn configuration(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::tls(TlsFault::Configuration, error)
}

/// The connection ended without `close_notify`, so bytes of the peer's may be missing: a clean end
/// it is not (RFC 8446 section 6.1).
pub(crate) fn truncated() -> Error {
    Error::with_message(ErrorKind::Reset, "the peer ended the connection without close_notify")
}

fn reason(error: &rustls::Error) -> TlsFault {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(error) => certificate(error),
        E::NoCertificatesPresented => TlsFault::NoCertificate,
        E::AlertReceived(alert) => TlsFault::Alert(u8::from(*alert)),
        E::PeerIncompatible(_) | E::NoApplicationProtocol => TlsFault::NothingInCommon,
        // Also what the record layer says of plain text.
        E::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => TlsFault::NotTls,
        E::UnsupportedNameType | E::InconsistentKeys(_) | E::BadMaxFragmentSize => {
            TlsFault::Configuration
        }
        _ => TlsFault::Other,
    }
}

fn certificate(error: &CertificateError) -> TlsFault {
    use CertificateError as C;
    match error {
        C::Expired | C::ExpiredContext { .. } => TlsFault::Expired,
        C::NotValidYet | C::NotValidYetContext { .. } => TlsFault::NotYetValid,
        C::UnknownIssuer => TlsFault::UnknownIssuer,
        // Somebody is trusted who bears the issuer's name, and has a key of a kind that cannot have
        // signed this: another one. Where the kind is the same it is `BadSignature`, which a broken
        // handshake gives too.
        C::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => TlsFault::UnknownIssuer,
        C::NotValidForName | C::NotValidForNameContext { .. } => TlsFault::WrongName,
        C::Revoked => TlsFault::Revoked,
        _ => TlsFault::BadCertificate,
    }
}
