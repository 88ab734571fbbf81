//! TLS on the command line: which certificate a server shows.

use std::path::PathBuf;
use std::time::SystemTime;

use dipole::net::{Error, ErrorKind};
use dipole::tls::{DevelopmentIdentity, Identity, ServerTls, for_http};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::Failure;

/// The options that turn TLS on.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsArgs {
    /// Serve HTTPS with a certificate made for this machine (localhost, 127.0.0.1, ::1), kept so
    /// that a browser need trust it once
    #[arg(long, value_name = "KIND", conflicts_with_all = ["cert", "key"])]
    tls: Option<Kind>,
    /// Serve HTTPS with this certificate chain, in PEM; SIGHUP reads it again
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// Where a certificate comes from that is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Nobody vouches for it but itself.
    SelfSigned,
}

/// A server's TLS, with what is needed to read its certificate again.
#[derive(Clone)]
pub struct ServedTls {
    tls: ServerTls,
    args: TlsArgs,
    hint: Option<String>,
}

impl TlsArgs {
    /// What they say; `None` is plain HTTP.
    ///
    /// # Errors
    /// A file cannot be read or written, or holds no certificate or key that fit.
    pub fn served(&self) -> Result<Option<ServedTls>, Failure> {
        let Some((identity, hint)) = self.identity()? else { return Ok(None) };
        let tls = ServerTls::new(&for_http(identity)).map_err(Failure::job)?;
        Ok(Some(ServedTls { tls, args: self.clone(), hint }))
    }

    /// The identity, and what to tell about it.
    fn identity(&self) -> Result<Option<(Identity, Option<String>)>, Failure> {
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let identity = Identity::from_pem_files(cert, key)
                .map_err(|error| Failure::Job(explain(&error)))?;
            let hint = out_of_time(&identity, SystemTime::now());
            let hint = hint.map(|what| format!("{} {what}", cert.display()));
            return Ok(Some((identity, hint)));
        }
        let Some(Kind::SelfSigned) = self.tls else { return Ok(None) };
        let made = DevelopmentIdentity::in_directory(data_directory()?, SystemTime::now())
            .map_err(Failure::job)?;
        let certificate = made.certificate.display();
        let hint = made.is_new.then(|| {
            format!(
                "a new certificate: have your browser trust {certificate}, or use it with --cacert"
            )
        });
        Ok(Some((made.identity, hint)))
    }
}

impl ServedTls {
    /// What `--http3` listens with.
    ///
    /// # Errors
    /// There is no TLS, without which there is no QUIC.
    pub fn for_http3(tls: Option<&Self>) -> Result<&ServerTls, Failure> {
        tls.map(Self::server).ok_or_else(|| {
            let text = "--http3 needs a certificate: --tls self-signed, or --cert and --key";
            Failure::Usage(text.into())
        })
    }

    /// The server's end.
    #[must_use]
    pub fn server(&self) -> &ServerTls {
        &self.tls
    }

    /// What the user has to do about its certificate, if anything.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Reads the certificate again; the former one stays where that fails.
    ///
    /// # Errors
    /// As [`TlsArgs::served`].
    pub fn reload(&self) -> Result<(), Failure> {
        match self.args.identity()? {
            Some((identity, _)) => self.tls.reload(&[identity]).map_err(Failure::job),
            None => Ok(()),
        }
    }
}

/// What is wrong with the files, and what to do.
fn explain(error: &Error) -> String {
    let hint = match error.kind() {
        ErrorKind::NotFound => "see that the name is right",
        ErrorKind::PermissionDenied => "serve as a user who may read it",
        ErrorKind::Tls => "name the certificate's chain by --cert and its key by --key, in PEM",
        _ => return error.to_string(),
    };
    format!("{error}; {hint}")
}

/// What to say of a certificate that no client takes now.
fn out_of_time(identity: &Identity, now: SystemTime) -> Option<String> {
    let key = identity.rustls_key();
    let (_, leaf) = X509Certificate::from_der(key.cert.first()?).ok()?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let (from, to) = (leaf.validity().not_before, leaf.validity().not_after);
    let seconds = i64::try_from(now).ok()?;
    if seconds > to.timestamp() {
        return Some(format!(
            "was valid until {to}, so clients refuse it: renew it and send SIGHUP"
        ));
    }
    (seconds < from.timestamp()).then(|| {
        format!("is not valid before {from}, so clients refuse it: see that this machine's clock is right")
    })
}

/// Where this user's data is kept (XDG Base Directory Specification).
fn data_directory() -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The specification: a relative path is to be ignored.
    let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let data = data.or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.map(|data| data.join("dipole")).ok_or_else(|| {
        Failure::Job("no folder to keep a certificate in: set XDG_DATA_HOME or HOME".into())
    })
}
