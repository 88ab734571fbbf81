//! What the client promises, one scenario a file, on the simulated network under a paused clock.
//!
//! The server is a script of raw bytes, or for HTTP/2 the `h2` crate by hand.

mod backpressure;
mod early_responses;
mod expect_continue;
mod fake_tls;
mod far;
mod far_http2;
mod http2;
mod in_one_line;
mod keep_alive;
mod layered;
mod limits;
mod misbehaving;
mod pool;
mod repeated;
mod requests;
mod responses;
mod round_trips;
mod strictness;
mod tls;
mod truncation;
mod unix_sockets;
mod upgrades;
mod ways;
