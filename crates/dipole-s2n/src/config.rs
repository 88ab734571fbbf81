//! What an endpoint does, as s2n-quic's providers.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_io::QuicOptions;
use dipole_net::{Error, ErrorKind, Result, StreamOptions, TlsFault};
use dipole_tls::{ClientTls, ServerTls};
use s2n_quic::provider::endpoint_limits::{
    ConnectionAttempt, Limiter, Outcome, default::Limits as Usual,
};
use s2n_quic::provider::io::tokio::Provider as Io;
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

/// Which connections an endpoint begins to shake hands with.
pub(crate) struct Attempts {
    options: QuicOptions,
    usual: Usual,
}

impl Attempts {
    pub(crate) fn new(options: QuicOptions) -> Self {
        Self { options, usual: Usual::default() }
    }
}

impl Limiter for Attempts {
    fn on_connection_attempt(&mut self, attempt: &ConnectionAttempt<'_>) -> Outcome {
        if attempt.inflight_handshakes >= self.options.pending_handshakes {
            return Outcome::close();
        }
        // s2n-quic asks again when the client comes back with a token, and then retries no more.
        match self.options.retry.applies(attempt.inflight_handshakes) {
            true => Outcome::retry(),
            false => self.usual.on_connection_attempt(attempt),
        }
    }
}

/// The queue of received packets between the socket and an endpoint with one connection. s2n-quic's
/// own size, 8 MiB, is for servers.
const DIALED_QUEUE: usize = 512 << 10;

/// A listener's socket.
pub(crate) fn listening_io(socket: UdpSocket, options: &QuicOptions) -> Result<Io> {
    let io = Io::builder().with_rx_socket(socket)?.with_gso(options.segmentation_offload)?;
    Ok(io.build()?)
}

/// A dial's socket.
pub(crate) fn dialing_io(socket: UdpSocket, options: &QuicOptions) -> Result<Io> {
    let io = Io::builder().with_rx_socket(socket)?.with_gso(options.segmentation_offload)?;
    Ok(io.with_internal_recv_buffer_size(DIALED_QUEUE)?.build()?)
}

/// A listener's TLS.
pub(crate) fn server_tls(tls: &ServerTls, options: &QuicOptions) -> Server {
    let mut config = tls.rustls_config();
    config.alpn_protocols = options.protocols(&[]);
    config.max_early_data_size = 0;
    Server::from(Arc::new(config))
}

/// A dial's TLS.
pub(crate) fn client_tls(tls: &ClientTls, asked: &[Bytes], options: &QuicOptions) -> Client {
    let mut config = tls.rustls_config();
    config.alpn_protocols = options.protocols(asked);
    Client::from(Arc::new(config))
}

/// Of an endpoint that does not start.
pub(crate) fn start_error(error: impl std::fmt::Display) -> Error {
    Error::tls(TlsFault::Configuration, error.to_string())
}
