//! The endpoint's events, written down where they belong.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use dipole_io::Dealer;
use s2n_quic::Connection;
use s2n_quic::connection::Error as ConnectionError;
use s2n_quic::provider::event::events::{
    ConnectionCloseFrameReceived, ConnectionClosed, ConnectionStarted, EndpointType, Frame,
    FrameReceived, MtuUpdated, PacketHeader, PacketLost, PacketReceived, PacketSent,
    RecoveryMetrics, TransportParametersReceived,
};
use s2n_quic::provider::event::{ConnectionInfo, ConnectionMeta, Subscriber};
use tokio::sync::{mpsc, oneshot};

use crate::known::{InitialWindows, Known};

/// A connection whose first packet has come; s2n-quic is shaking hands with it.
pub(crate) struct Arrival {
    pub(crate) peer: SocketAddr,
    /// The connection when that is done, or why it has failed.
    pub(crate) shaken: oneshot::Receiver<Result<Connection, ConnectionError>>,
}

/// What a server's endpoint tells.
pub(crate) struct ServerEvents {
    /// Who gets the connections that arrive.
    pub(crate) dealer: Dealer<Arrival>,
    pub(crate) living: Living,
}

/// How a server's connections are told of: each holds a sender for as long as s2n-quic has it.
pub(crate) type Living = mpsc::WeakSender<Infallible>;

/// What a dial's endpoint tells.
pub(crate) struct ClientEvents {
    /// Told when the server speaks other versions only.
    pub(crate) other_version: Option<oneshot::Sender<()>>,
}

/// An endpoint's part of a connection's events.
pub(crate) struct ConnectionEvents {
    pub(crate) known: Arc<Known>,
    /// Whoever waits for a server's connection.
    pub(crate) waiting: Option<oneshot::Sender<Result<Connection, ConnectionError>>>,
    /// A packet of the version in use has come.
    has_heard: bool,
    /// A server's, until the endpoint is done with the connection.
    _living: Option<mpsc::Sender<Infallible>>,
}

/// What both ends do with a connection's events; the rest is each end's own.
macro_rules! of_connections {
    () => {
        type ConnectionContext = ConnectionEvents;

        fn create_connection_context(
            &mut self,
            meta: &ConnectionMeta,
            _: &ConnectionInfo<'_>,
        ) -> ConnectionEvents {
            let own = match meta.endpoint_type {
                EndpointType::Server { .. } => 1,
                _ => 0,
            };
            ConnectionEvents {
                known: Arc::new(Known::new(own)),
                waiting: None,
                has_heard: false,
                _living: self.living(),
            }
        }

        fn on_transport_parameters_received(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            event: &TransportParametersReceived<'_>,
        ) {
            // Named by the peer's point of view.
            let parameters = &event.transport_parameters;
            conn.known.begin(InitialWindows {
                own: parameters.initial_max_stream_data_bidi_remote,
                own_uni: parameters.initial_max_stream_data_uni,
                peer: parameters.initial_max_stream_data_bidi_local,
            });
        }

        fn on_frame_received(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            event: &FrameReceived<'_>,
        ) {
            match event.frame {
                Frame::MaxStreamData { id, value, .. } => conn.known.on_window(id, value),
                Frame::StopSending { id, .. } => conn.known.on_stop(id),
                _ => {}
            }
        }

        fn on_connection_close_frame_received(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            event: &ConnectionCloseFrameReceived<'_>,
        ) {
            conn.known.on_reason(event.frame.reason.unwrap_or_default());
        }

        fn on_connection_closed(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            event: &ConnectionClosed,
        ) {
            conn.known.on_end(event.error);
            if let Some(waiting) = conn.waiting.take() {
                // Nobody waits any more where it was refused.
                drop(waiting.send(Err(event.error)));
            }
        }

        fn on_packet_sent(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            event: &PacketSent,
        ) {
            conn.known.on_sent(event.packet_len);
        }

        fn on_packet_lost(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            _: &PacketLost<'_>,
        ) {
            conn.known.on_lost();
        }

        fn on_mtu_updated(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            event: &MtuUpdated,
        ) {
            conn.known.on_packet_size(event.mtu);
        }

        fn on_recovery_metrics(
            &mut self,
            conn: &mut ConnectionEvents,
            _: &ConnectionMeta,
            event: &RecoveryMetrics<'_>,
        ) {
            conn.known.on_round_trip(event.smoothed_rtt);
        }
    };
}

impl ServerEvents {
    fn living(&self) -> Option<mpsc::Sender<Infallible>> {
        self.living.upgrade()
    }
}

impl ClientEvents {
    fn living(&self) -> Option<mpsc::Sender<Infallible>> {
        None
    }
}

impl Subscriber for ServerEvents {
    of_connections!();

    fn on_connection_started(
        &mut self,
        conn: &mut ConnectionEvents,
        _: &ConnectionMeta,
        event: &ConnectionStarted<'_>,
    ) {
        let (give, shaken) = oneshot::channel();
        let peer = SocketAddr::from(&event.path.remote_addr);
        conn.waiting = Some(give);
        // Dropped, when no shard has room; it is closed then as soon as it is there.
        drop(self.dealer.deal(Arrival { peer, shaken }));
    }

    fn on_packet_received(
        &mut self,
        conn: &mut ConnectionEvents,
        _: &ConnectionMeta,
        event: &PacketReceived,
    ) {
        conn.known.on_received(event.packet_len);
    }
}

impl Subscriber for ClientEvents {
    of_connections!();

    fn on_packet_received(
        &mut self,
        conn: &mut ConnectionEvents,
        _: &ConnectionMeta,
        event: &PacketReceived,
    ) {
        conn.known.on_received(event.packet_len);
        // RFC 9000 section 6.2: such a packet counts only before all others.
        match (&event.packet_header, conn.has_heard) {
            (PacketHeader::VersionNegotiation { .. }, false) => {
                if let Some(tell) = self.other_version.take() {
                    // The dial may have ended.
                    _ = tell.send(());
                }
            }
            _ => conn.has_heard = true,
        }
    }
}
