//! Congestion control that lets a connection's close through.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory, ControllerMetrics, Cubic, CubicConfig};
use quinn_proto::RttEstimator;

/// Makes the controllers of a configuration's connections: CUBIC, as quinn's own default is.
#[derive(Debug, Default)]
pub(crate) struct Congestion {
    cubic: Arc<CubicConfig>,
}

/// Lets the close that follows out, whatever is in flight.
///
/// A packet that carries no more than a close is not under congestion control (RFC 9002 section 3).
/// quinn 0.11 holds it back all the same while the window is full and data waits; and once it is
/// closed, no acknowledgement opens the window any more, so that the peer would learn of the end by
/// its idle timeout alone.
pub(crate) fn let_close_through(conn: &quinn::Connection) {
    if let Ok(controller) = conn.congestion_state().into_any().downcast::<UntilClosed>() {
        controller.is_closing.store(true, Ordering::Relaxed);
    }
}

impl ControllerFactory for Congestion {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        let cubic = Cubic::new(Arc::clone(&self.cubic), now, mtu);
        Box::new(UntilClosed { cubic, is_closing: Arc::default() })
    }
}

/// CUBIC while the connection is open; no limit once it is being closed.
#[derive(Debug, Clone)]
struct UntilClosed {
    cubic: Cubic,
    /// Shared with the copies that [`quinn::Connection::congestion_state`] gives out.
    is_closing: Arc<AtomicBool>,
}

impl Controller for UntilClosed {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.cubic.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        self.cubic.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.cubic.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.cubic.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.cubic.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        match self.is_closing.load(Ordering::Relaxed) {
            true => u64::MAX,
            false => self.cubic.window(),
        }
    }

    fn metrics(&self) -> ControllerMetrics {
        self.cubic.metrics()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.cubic.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
