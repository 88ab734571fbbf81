//! A connection's options as s2n-quic's limits, and TLS as its provider.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Result, StreamOptions, TlsFault};
use dipole_tls::{ClientTls, ServerTls};
use s2n_quic::provider::limits::Limits;
use s2n_quic::provider::tls::rustls::{Client, Server};

/// The only version that s2n-quic speaks.
pub(crate) const VERSION: u32 = 1;

/// Streams that this end may open: the peer's limit is the one that counts.
const OWN_STREAMS: u64 = 1 << 20;
/// Longer than any connection lives.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a connection may do.
pub(crate) fn limits(streams: &StreamOptions) -> Result<Limits> {
    let limits = || -> std::result::Result<Limits, Box<dyn std::error::Error + Send + Sync>> {
        let window = u64::from(streams.stream_window);
        let mut limits = Limits::new()
            .with_data_window(streams.connection_window.into())?
            .with_bidirectional_local_data_window(window)?
            .with_bidirectional_remote_data_window(window)?
            .with_unidirectional_data_window(window)?
            .with_max_open_remote_bidirectional_streams(streams.streams.into())?
            .with_max_open_remote_unidirectional_streams(streams.uni_streams.into())?
            .with_max_open_local_bidirectional_streams(OWN_STREAMS)?
            .with_max_open_local_unidirectional_streams(OWN_STREAMS)?
            .with_max_send_buffer_size(streams.send_window)?
            .with_max_handshake_duration(streams.handshake_timeout)?
            .with_max_idle_timeout(streams.idle_timeout.unwrap_or(FOREVER))?
            .with_active_connection_migration(streams.migration)?;
        if let Some(period) = streams.keep_alive {
            limits = limits.with_max_keep_alive_period(period)?;
        }
        Ok(limits)
    };
    limits().map_err(|error| Error::with_source(ErrorKind::InvalidInput, error))
}

/// A listener's TLS.
pub(crate) fn server_tls(tls: &ServerTls, alpn: &[Bytes]) -> Server {
    let mut config = tls.rustls_config();
    config.alpn_protocols = protocols(alpn);
    config.max_early_data_size = 0;
    Server::from(Arc::new(config))
}

/// A dial's TLS.
pub(crate) fn client_tls(tls: &ClientTls, alpn: &[Bytes]) -> Client {
    let mut config = tls.rustls_config();
    config.alpn_protocols = protocols(alpn);
    Client::from(Arc::new(config))
}

fn protocols(alpn: &[Bytes]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.to_vec()).collect()
}

/// Of an endpoint that does not start.
pub(crate) fn start_error(error: impl std::fmt::Display) -> Error {
    Error::tls(TlsFault::Configuration, error.to_string())
}
