//! What an endpoint does, and how that is said to quinn.

use std::sync::Arc;

use dipole_net::{Error, ErrorKind, Result, StreamOptions};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};

/// What an endpoint does, apart from the connections' own options.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QuinnOptions {
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
    tls: &rustls::ServerConfig,
    streams: &StreamOptions,
    options: &QuinnOptions,
) -> Result<quinn::ServerConfig> {
    let mut tls = tls.clone();
    // RFC 9001 section 4.6.1: all or nothing.
    tls.max_early_data_size = if streams.early_data { u32::MAX } else { 0 };
    let crypto = QuicServerConfig::try_from(tls)
        .map_err(|error| Error::with_source(ErrorKind::InvalidInput, error))?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport_config(streams, options)).migration(streams.migration);
    Ok(config)
}

/// A dial's configuration.
pub(crate) fn client_config(
    tls: rustls::ClientConfig,
    streams: &StreamOptions,
    options: &QuinnOptions,
) -> Result<quinn::ClientConfig> {
    let crypto = QuicClientConfig::try_from(tls)
        .map_err(|error| Error::with_source(ErrorKind::InvalidInput, error))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport_config(streams, options)).version(VERSION);
    Ok(config)
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
