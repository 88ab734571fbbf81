//! The server's end.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use dipole_io::BufferPool;
use dipole_net::{Conn, Result, Transport};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ServerSessionMemoryCache, UnbufferedServerConnection, WebPkiClientVerifier};

use crate::agreed::Agreements;
use crate::conn::TlsConn;
use crate::fault::{self, configuration};
use crate::handshake::shake_hands;
use crate::identities::Identities;
use crate::key_log::KeyLogFile;
use crate::own_config::OwnConfigs;
use crate::plain_text;
use crate::records::RecordBuffers;
use crate::session::{MOST_RECORDS, Session};
use crate::{Identity, Roots, TlsTransport, Versions};

/// How a server secures its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerTlsOptions {
    /// What to show: the first whose certificate is for the name that the client asks for (RFC 6066
    /// section 3), otherwise the first of all.
    pub identities: Vec<Identity>,
    /// The protocols to accept by ALPN, best first (RFC 7301); a client that offers others only is
    /// refused, one that offers none is not. Empty, the default, leaves ALPN out.
    pub alpn: Vec<Bytes>,
    /// What is asked of clients. Default nothing.
    pub client_certificates: ClientCertificates,
    /// The versions to accept. Default TLS 1.2 and 1.3.
    pub versions: Versions,
    /// Sessions that can be resumed without a ticket; 0 is none. Default 1024.
    pub max_sessions: usize,
    /// Sent, before the connection is closed, to a client whose first bytes are text and not TLS;
    /// empty, the default, sends nothing.
    pub answer_to_plain_text: Bytes,
    /// Early data, in bytes, that a resuming client may send with its first message (RFC 8446
    /// section 2.3). Whoever has seen it can send it again, so a handler has to look at
    /// [`TlsInfo::early_data`](dipole_net::TlsInfo::early_data). Where it is taken, sessions are
    /// kept in memory alone (`max_sessions`), without tickets, so that each resumes once and this
    /// server takes none of it twice. 0, the default, is none.
    pub max_early_data: u32,
    /// Appends the secrets of all connections to this file, for tools that are to read them;
    /// `None`, the default, is no such file.
    pub key_log: Option<PathBuf>,
    /// After so many records that a connection has sent with one key of TLS 1.3, it sends with
    /// another one, and asks the client to do so too (RFC 8446 section 4.6.3). 4,194,304, the
    /// default, is also the most: a cipher must not seal many more with one key (section 5.5). 0 is
    /// a key for each record. TLS 1.2 has no other key: there a connection ends after some 8 million
    /// records.
    pub records_per_key: u32,
}

/// What a server asks of its clients.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// Nothing. The default.
    #[default]
    NotAsked,
    /// A certificate that one of these issued, from clients that have one.
    Optional(Roots),
    /// A certificate that one of these issued.
    Required(Roots),
}

impl ServerTlsOptions {
    /// Shows `identity`, and the defaults otherwise.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identities: vec![identity],
            alpn: Vec::new(),
            client_certificates: ClientCertificates::default(),
            versions: Versions::default(),
            max_sessions: 1024,
            answer_to_plain_text: Bytes::new(),
            max_early_data: 0,
            key_log: None,
            records_per_key: MOST_RECORDS,
        }
    }
}

/// The server's end of TLS; cheap to clone, and its clones are one: they share certificates,
/// sessions and tickets.
#[derive(Clone, Debug)]
pub struct ServerTls {
    shared: Arc<Shared>,
    buffers: BufferPool,
    records: RecordBuffers,
    agreements: Agreements,
    own_configs: OwnConfigs,
}

#[derive(Debug)]
struct Shared {
    options: ServerTlsOptions,
    identities: Arc<Identities>,
    /// Of handshakes that begin from now on.
    config: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// A server that is set up so.
    ///
    /// # Errors
    /// `Tls` with [`TlsFault::Configuration`](dipole_net::TlsFault::Configuration): there is no
    /// identity, or the authorities for clients cannot be used. The file system's, for the key log.
    pub fn new(options: &ServerTlsOptions) -> Result<Self> {
        let identities = Arc::new(Identities::new(&options.identities)?);
        let config = config(options, &options.client_certificates, &identities)?;
        let shared =
            Shared { options: options.clone(), identities, config: RwLock::new(Arc::new(config)) };
        Ok(Self {
            shared: Arc::new(shared),
            buffers: BufferPool::default(),
            records: RecordBuffers::default(),
            agreements: Agreements::default(),
            own_configs: OwnConfigs::default(),
        })
    }

    /// A transport that listens with `transport` and secures what it accepts.
    #[must_use]
    pub fn over<T: Transport>(&self, transport: T) -> TlsTransport<T> {
        TlsTransport::new(transport, self.clone())
    }

    /// Shows these instead, in every handshake that begins from now on, of all clones. Connections
    /// that are there go on.
    ///
    /// # Errors
    /// `Tls` when there is none; the former ones then stay.
    pub fn reload(&self, identities: &[Identity]) -> Result<()> {
        self.shared.identities.replace(identities)
    }

    /// Asks this of clients instead, in every handshake that begins from now on, of all clones.
    /// Sessions from before are not resumed any more, for they were begun by clients that others
    /// vouched for. Connections that are there go on.
    ///
    /// # Errors
    /// As [`new`](Self::new); what was asked before then stays.
    pub fn reload_client_certificates(&self, asked: &ClientCertificates) -> Result<()> {
        // With it come new keys for tickets and an empty store of sessions.
        let config = config(&self.shared.options, asked, &self.shared.identities)?;
        let mut current = self.shared.config.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(config);
        Ok(())
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.shared.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The server's end of a handshake over a connection that is there.
    ///
    /// # Errors
    /// `Tls` with the reason when the two ends cannot agree, or the connection's own error. `conn`
    /// is closed then.
    ///
    /// # Cancel safety
    /// Dropping the future closes `conn`.
    pub async fn accept(&self, mut conn: Box<dyn Conn>) -> Result<Box<dyn Conn>> {
        let shared = &*self.shared;
        if !shared.options.answer_to_plain_text.is_empty() {
            plain_text::answer(&mut *conn, &shared.options.answer_to_plain_text).await?;
        }
        let config = self.own_configs.take(self.config(), &shared.identities);
        let session = UnbufferedServerConnection::new(config.rustls()).map_err(fault::error)?;
        let session = Session::server(session, &self.records);
        let mut session = session.with_records_per_key(shared.options.records_per_key);
        let (input, standing) = shake_hands(&mut *conn, &mut session, &self.buffers).await?;
        let info = self.agreements.share(&session.agreed(config.name().as_deref()));
        self.own_configs.put(config);
        Ok(Box::new(TlsConn::new(conn, session, info, input, &self.buffers, standing)))
    }

    /// For QUIC libraries: the same certificates, [`reload`](Self::reload) included, clients'
    /// verification as it is now, and key log as rustls's configuration. They set ALPN themselves,
    /// and need TLS 1.3.
    #[must_use]
    pub fn rustls_config(&self) -> ServerConfig {
        ServerConfig::clone(&self.config())
    }

    /// A clone that shares no buffers.
    pub(crate) fn with_own_buffers(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            buffers: BufferPool::default(),
            records: RecordBuffers::default(),
            agreements: Agreements::default(),
            own_configs: OwnConfigs::default(),
        }
    }
}

/// rustls's configuration.
fn config(
    options: &ServerTlsOptions,
    asked: &ClientCertificates,
    identities: &Arc<Identities>,
) -> Result<ServerConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&options.versions.rustls())
        .map_err(configuration)?;
    let verifier = |roots: &Roots| {
        let store = Arc::new(roots.client_store()?);
        Ok::<_, dipole_net::Error>(WebPkiClientVerifier::builder_with_provider(
            store,
            Arc::clone(&provider),
        ))
    };
    let builder = match asked {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        ClientCertificates::Optional(roots) => builder.with_client_cert_verifier(
            verifier(roots)?.allow_unauthenticated().build().map_err(configuration)?,
        ),
        ClientCertificates::Required(roots) => {
            builder.with_client_cert_verifier(verifier(roots)?.build().map_err(configuration)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::clone(identities) as _);
    config.alpn_protocols = options.alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = ServerSessionMemoryCache::new(options.max_sessions);
    config.max_early_data_size = options.max_early_data;
    if options.max_early_data == 0 {
        // A ticket can be shown twice; rustls takes no early data with one (RFC 8446 section 8).
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(configuration)?;
    }
    if let Some(path) = &options.key_log {
        config.key_log = Arc::new(KeyLogFile::open(path)?);
    }
    Ok(config)
}
