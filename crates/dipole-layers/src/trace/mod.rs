//! What goes over a connection, made visible.

mod packet;
mod pcap;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dipole_net::{Conn, Side};

use self::packet::Flow;
pub use self::pcap::Pcap;
use crate::shaped::{Happening, Shape, Shaped, Step};
use crate::{Layer, Origin, Ticket, Wrapped};

/// A layer that shows what goes over connections: as events of the target `dipole::trace`, and, where
/// a [`Pcap`] is given, as a capture file.
///
/// Bytes are shown as this end sees them: when it has read them, and when it gives them to the
/// network. Over TLS they are the plain text. The events carry the connection's number, its
/// addresses and lengths at level DEBUG, and the first bytes at level TRACE.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    pcap: Option<Pcap>,
    connections: Arc<AtomicU64>,
}

impl Trace {
    /// Events alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A capture file, too.
    #[must_use]
    pub fn pcap(mut self, pcap: Pcap) -> Self {
        self.pcap = Some(pcap);
        self
    }
}

impl Layer for Trace {
    fn wrap(&self, conn: Box<dyn Conn>, origin: Origin, ticket: Ticket) -> Wrapped {
        let number = self.connections.fetch_add(1, Relaxed);
        let (local, peer) = (conn.local_addr(), conn.peer_addr());
        tracing::debug!(target: TARGET, number, %local, %peer, ?origin, "begins");
        let capture = self.pcap.clone().map(|pcap| {
            let (flow, packets) = Flow::begin(number, &local, &peer, origin);
            pcap.write(&packets);
            (pcap, flow)
        });
        Wrapped::Ready(Box::new(Shaped::new(conn, Tracer { number, capture }, ticket)))
    }
}

const TARGET: &str = "dipole::trace";
/// How many bytes an event shows.
const SHOWN: usize = 64;

struct Tracer {
    number: u64,
    capture: Option<(Pcap, Flow)>,
}

impl Shape for Tracer {
    const WATCHES: bool = true;

    fn step(&mut self, _: Side, n: usize) -> Step {
        Step::Pass(n, None)
    }

    fn passed(&mut self, side: Side, bytes: &[u8]) {
        let (number, length) = (self.number, bytes.len());
        let what = match side {
            Side::Read => "received",
            Side::Write => "sent",
        };
        tracing::debug!(target: TARGET, number, length, "{what}");
        let first = bytes[..bytes.len().min(SHOWN)].escape_ascii();
        tracing::trace!(target: TARGET, number, bytes = %first, "{what}");
        if let Some((pcap, flow)) = &mut self.capture {
            pcap.write(&flow.data(side, bytes));
        }
    }

    fn happened(&mut self, what: Happening) {
        let text = match what {
            Happening::PeerEnded => "the peer ended its side",
            Happening::PeerReset => "the peer broke off",
            Happening::Ended => "ended this side",
            Happening::Closed => "closed",
            Happening::Reset => "broke off",
        };
        tracing::debug!(target: TARGET, number = self.number, "{text}");
        if let Some((pcap, flow)) = &mut self.capture {
            pcap.write(&flow.happened(what));
        }
    }
}
