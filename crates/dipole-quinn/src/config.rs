//! What an endpoint does, and how that is said to quinn.

use std::sync::Arc;

use bytes::Bytes;
use dipole_io::QuicOptions;
use dipole_net::{Error, Result, StreamOptions, TlsFault};
use dipole_tls::{ClientTls, ServerTls};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, TransportConfig, VarInt};
use rustls::server::ProducesTickets;

use crate::congestion::Congestion;

/// The only version: quinn's others are drafts.
pub(crate) const VERSION: u32 = 1;

/// A listener's configuration.
pub(crate) fn server_config(
    tls: &ServerTls,
    streams: &StreamOptions,
    options: &QuicOptions,
) -> Result<quinn::ServerConfig> {
    let mut tls = tls.rustls_config();
    tls.alpn_protocols = options.protocols(&[]);
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
    options: &QuicOptions,
) -> Result<quinn::ClientConfig> {
    let mut tls = tls.rustls_config();
    tls.alpn_protocols = options.protocols(alpn);
    tls.enable_early_data = streams.early_data;
    let crypto = QuicClientConfig::try_from(tls)
        .map_err(|error| Error::tls(TlsFault::Configuration, error))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport_config(streams, options)).version(VERSION);
    Ok(config)
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
pub(crate) fn endpoint_config(seed: Option<[u8; 32]>) -> quinn::EndpointConfig {
    let mut config = quinn::EndpointConfig::default();
    config.rng_seed(seed);
    config.supported_versions(vec![VERSION]);
    config
}

fn transport_config(streams: &StreamOptions, options: &QuicOptions) -> Arc<TransportConfig> {
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
        .congestion_controller_factory(Arc::<Congestion>::default())
        .enable_segmentation_offload(options.segmentation_offload);
    Arc::new(config)
}
