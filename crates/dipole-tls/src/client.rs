//! The client's end.

use std::path::PathBuf;
use std::sync::Arc;

use dipole_io::BufferPool;
use dipole_net::{BoxFuture, Conn, ErrorKind, Result, TlsLayer, TlsOptions};
use rustls::ClientConfig;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;

use crate::agreed::Agreements;
use crate::conn::TlsConn;
use crate::fault::configuration;
use crate::handshake::shake_hands;
use crate::key_log::KeyLogFile;
use crate::records::RecordBuffers;
use crate::session::{MOST_RECORDS, Session};
use crate::{Identity, Roots, Versions};

/// How a client secures its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientTlsOptions {
    /// Whom to trust. Default: whomever this machine trusts.
    pub roots: Roots,
    /// What to show of itself where a server asks; `None`, the default, is nothing.
    pub identity: Option<Identity>,
    /// The versions to offer. Default TLS 1.2 and 1.3.
    pub versions: Versions,
    /// Appends the secrets of all connections to this file, for tools that are to read them;
    /// `None`, the default, is no such file.
    pub key_log: Option<PathBuf>,
    /// As [`ServerTlsOptions::records_per_key`](crate::ServerTlsOptions::records_per_key).
    pub records_per_key: u32,
}

impl Default for ClientTlsOptions {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            identity: None,
            versions: Versions::default(),
            key_log: None,
            records_per_key: MOST_RECORDS,
        }
    }
}

/// The client's end of TLS; cheap to clone. Sessions are resumed among its clones.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    buffers: BufferPool,
    records: RecordBuffers,
    agreements: Agreements,
    records_per_key: u32,
}

impl ClientTls {
    /// A client that is set up so.
    ///
    /// # Errors
    /// `Tls` with [`TlsFault::Configuration`](dipole_net::TlsFault::Configuration) when the
    /// authorities cannot be used; the file system's, for the key log.
    pub fn new(options: &ClientTlsOptions) -> Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = options.roots.server_verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&options.versions.rustls())
            .map_err(configuration)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(Arc::new(
                rustls::sign::SingleCertAndKey::from(identity.rustls_key()),
            )),
        };
        config.resumption = Resumption::in_memory_sessions(256);
        if let Some(path) = &options.key_log {
            config.key_log = Arc::new(KeyLogFile::open(path)?);
        }
        Ok(Self {
            config: Arc::new(config),
            buffers: BufferPool::default(),
            records: RecordBuffers::default(),
            agreements: Agreements::default(),
            records_per_key: options.records_per_key,
        })
    }

    /// For QUIC libraries: the same trust, identity and key log as rustls's configuration. They
    /// set ALPN themselves, and need TLS 1.3.
    #[must_use]
    pub fn rustls_config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    async fn secure(&self, mut conn: Box<dyn Conn>, options: &TlsOptions) -> Result<Box<dyn Conn>> {
        let name = ServerName::try_from(options.server_name.clone()).map_err(|error| {
            configuration(error).context(format!("the name {:?}", options.server_name))
        })?;
        let alpn = options.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let session =
            UnbufferedClientConnection::new_with_alpn(Arc::clone(&self.config), name, alpn)
                .map_err(configuration)?;
        let session = Session::client(session, &self.records);
        let mut session = session.with_records_per_key(self.records_per_key);
        let (input, standing) = shake_hands(&mut *conn, &mut session, &self.buffers).await?;
        let info = self.agreements.share(&session.agreed(Some(&options.server_name)));
        Ok(Box::new(TlsConn::new(conn, session, info, input, &self.buffers, standing)))
    }
}

impl TlsLayer for ClientTls {
    fn add_tls<'a>(
        &'a self,
        conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>> {
        Box::pin(async move {
            let secured = self.secure(conn, options);
            let secured = match options.timeout {
                None => secured.await,
                Some(timeout) => tokio::time::timeout(timeout, secured)
                    .await
                    .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
            };
            secured.map_err(|error| {
                error.context(format!("no TLS connection to {}", options.server_name))
            })
        })
    }
}
