//! TLS for a request: whom to trust, and what to say when that fails.

use dipole::net::{Error, TlsFault};
use dipole::tls::{ClientTls, ClientTlsOptions, Roots};

use crate::Failure;
use crate::args::GetArgs;

/// The TLS that `args` ask for.
pub(super) fn tls(args: &GetArgs) -> Result<ClientTls, Failure> {
    let mut options = ClientTlsOptions::default();
    if args.insecure {
        options.roots = Roots::DangerouslyTrustAnybody;
    } else if let Some(path) = &args.cacert {
        options.roots = Roots::from_pem_file(path)
            .map_err(|error| Failure::job(format_args!("{error}; see what --cacert names")))?;
    }
    ClientTls::new(&options).map_err(|error| match &args.cacert {
        Some(path) if !args.insecure => Failure::job(format_args!(
            "{}: {error}; --cacert takes certificates of authorities, in PEM",
            path.display()
        )),
        _ => Failure::job(format_args!("cannot verify certificates: {error}")),
    })
}

/// What to do about a handshake that failed.
pub(super) fn hint(fault: TlsFault, args: &GetArgs) -> &'static str {
    match fault {
        TlsFault::UnknownIssuer if args.cacert.is_some() => {
            "see that --cacert has the issuer's certificate, or do without verifying by --insecure"
        }
        TlsFault::UnknownIssuer => {
            "name its issuer's certificate by --cacert FILE, or do without verifying by --insecure"
        }
        TlsFault::WrongName => {
            "ask by a name that it is for, or do without verifying by --insecure"
        }
        TlsFault::Expired | TlsFault::NotYetValid => {
            "see that this machine's clock is right, or do without verifying by --insecure"
        }
        TlsFault::Revoked => "tell the server's operator, or do without verifying by --insecure",
        TlsFault::BadCertificate if args.cacert.is_some() => {
            "see that --cacert has the certificate of its issuer and not of a namesake, or of a \
             server that is no authority itself (CA:FALSE), tell the server's operator, or do \
             without verifying by --insecure"
        }
        TlsFault::BadCertificate => {
            "name its issuer's certificate by --cacert FILE, tell the server's operator, or do \
             without verifying by --insecure"
        }
        TlsFault::NotTls => "it speaks no TLS there: ask by http://, or at another port",
        TlsFault::NoCertificate | TlsFault::Alert(_) => {
            "the server refuses this client: see what it asks for"
        }
        _ => "see that both ends speak a common version of TLS",
    }
}

/// The TLS fault of an error, or of what has caused it.
pub(super) fn fault(error: &Error) -> Option<TlsFault> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref().and_then(Error::tls_fault) {
            return Some(fault);
        }
        cause = error.source();
    }
    None
}
