//! What an endpoint does, and how that is said to quinn.

use std::sync::Arc;

use bytes::Bytes;
use dipole_net::{Error, Result, StreamOptions, TlsFault};
use dipole_tls::{ClientTls, ServerTls};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::server::ProducesTickets;

/// What an endpoint does, apart from the connections' own options.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QuinnOptions {
    /// The protocols to accept, and to offer where a dial names none, best first (RFC 7301).
    /// Default `h3`.
    pub alpn: Vec<Bytes>,
    /// When a client first has to prove that it is at its address (RFC 9000 section 8.1.2).
    /// Default: above 256 pending handshakes.
    pub retry: Retry,
    /// Handshakes that may be pending at once; further ones are refused. Default 4096.
    pub pending_handshakes: usize,
    /// The size of the socket's buffers to ask the system for, in bytes, which may give less.
    /// Default 2 MiB.
    pub socket_buffer: usize,
    /// Leaves cutting a batch into packets to the kernel (GSO), where it can. Default true.
    pub segmentation_offload: bool,
}

impl Default for QuinnOptions {
    fn default() -> Self {
        Self {
            alpn: vec![Bytes::from_static(b"h3")],
            retry: Retry::Above(256),
            pending_handshakes: 4096,
            socket_buffer: 2 << 20,
            segmentation_offload: true,
        }
    }
}

/// When a client that has not shown a token is sent back for one: it costs a round trip, and the
/// server holds nothing meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    Never,
    /// When more handshakes than this are pending.
    Above(usize),
    /// Each time.
    Always,
}

impl Retry {
    pub(crate) fn applies(self, pending: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Above(limit) => pending > limit,
            Self::Always => true,
        }
    }
}

/// The only version: quinn's others are drafts.
pub(crate) const VERSION: u32 = 1;

/// A listener's configuration.
pub(crate) fn server_config(
    tls: &ServerTls,
    streams: &StreamOptions,
    options: &QuinnOptions,
) -> Result<quinn::ServerConfig> {
    let mut tls = tls.rustls_config();
    tls.alpn_protocols = protocols(&options.alpn);
    // RFC 9001 section 4.6.1: all or nothing.
    tls.max_early_data_size = if streams.early_data { u32::MAX } else { 0 };
    if streams.early_data {
        // rustls takes early data only of sessions that it remembers itself, so that none of it is
        // taken twice.
        tls.ticketer = Arc::new(NoTickets);
    }
    let crypto = QuicServerConfig::try_from(tls)
        .map_err(|error| Error::tls(TlsFault::Configuration, error))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport_config(streams, options)).migration(streams.migration);
    Ok(config)
}

/// A dial's configuration.
pub(crate) fn client_config(
    tls: &ClientTls,
    alpn: &[Bytes],
    streams: &StreamOptions,
    options: &QuinnOptions,
) -> Result<quinn::ClientConfig> {
    let mut tls = tls.rustls_config();
    tls.alpn_protocols = protocols(if alpn.is_empty() { &options.alpn } else { alpn });
    tls.enable_early_data = streams.early_data;
    let crypto = QuicClientConfig::try_from(tls)
        .map_err(|error| Error::tls(TlsFault::Configuration, error))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport_config(streams, options)).version(VERSION);
    Ok(config)
}

fn protocols(alpn: &[Bytes]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.to_vec()).collect()
}

/// Sessions are kept in memory instead.
#[derive(Debug)]
struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }
    fn lifetime(&self) -> u32 {
        0
    }
    fn encrypt(&self, _plain: &[u8]) -> Option<Vec<u8>> {
        None
    }
    fn decrypt(&self, _cipher: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// What both ends have in common.
pub(crate) fn endpoint_config() -> quinn::EndpointConfig {
    let mut config = quinn::EndpointConfig::default();
    config.supported_versions(vec![VERSION]);
    config
}

fn transport_config(streams: &StreamOptions, options: &QuinnOptions) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    // A time too long for the wire (2^62 ms) is as good as none.
    let idle = streams.idle_timeout.and_then(|time| IdleTimeout::try_from(time).ok());
    let queue = usize::try_from(streams.datagram_queue).unwrap_or(usize::MAX);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(streams.streams))
        .max_concurrent_uni_streams(VarInt::from_u32(streams.uni_streams))
        .stream_receive_window(VarInt::from_u32(streams.stream_window))
        .receive_window(VarInt::from_u32(streams.connection_window))
        .send_window(streams.send_window.into())
        .max_idle_timeout(idle)
        .keep_alive_interval(streams.keep_alive)
        .datagram_receive_buffer_size((queue > 0).then_some(queue))
        .datagram_send_buffer_size(queue)
        .enable_segmentation_offload(options.segmentation_offload);
    Arc::new(config)
}
