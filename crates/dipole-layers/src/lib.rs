//! Wrappers over any network library, in any order.
//!
//! Each is a [`Layer`]: put [`over`](LayerExt::over) a [`Transport`](dipole_net::Transport) or a
//! [`Dialer`](dipole_net::Dialer) it gives one again, and
//! [`around`](LayerExt::around) a connection it gives a connection.
//!
//! | layer | what it does |
//! |---|---|
//! | [`Trace`] | shows what goes over a connection: tracing events, a pcap file for Wireshark |
//! | [`Throttle`] | so many bytes per second each way |
//! | [`Faulty`] | seeded delays, splits, stalls, resets, truncation |
//! | [`Limit`] | so many connections at once, so many bytes and so much time for each |
//! | [`ProxyProtocol`] | tells the next server, or learns from the last proxy, who the client is |
//! | [`Metrics`] | counts connections and bytes, for each connection and in total |
//!
//! A layer concerns byte streams; connections of many streams go through untouched, and so do the
//! capabilities of the library below. This crate knows no network library and no HTTP.
//!
//! ```
//! use dipole_layers::{LayerExt, Metrics, Throttle};
//! # fn listen_with(_: impl dipole_net::Transport) {}
//! # fn example(library: impl dipole_net::Transport) {
//! let metrics = Metrics::new();
//! // A connection is throttled, and what came through is counted.
//! let library = metrics.clone().over(Throttle::new().read(1_000_000).over(library));
//! listen_with(library);
//! assert_eq!(metrics.totals().opened, 0);
//! # }
//! ```

#![forbid(unsafe_code)]

mod around;
mod faulty;
mod layer;
mod limit;
mod metrics;
mod proxy_protocol;
mod queue;
mod random;
mod shaped;
mod throttle;
mod trace;

pub use around::{Around, Surrounded};
pub use faulty::Faulty;
pub use layer::{Layer, LayerExt, Layered, Origin, Ticket, Wrapped};
pub use limit::Limit;
pub use metrics::{ConnectionRecord, Metrics, Totals};
pub use proxy_protocol::{Announcement, ProxyProtocol, ProxyVersion};
pub use throttle::Throttle;
pub use trace::{Pcap, Trace};
