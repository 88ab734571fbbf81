//! What the client promises, one scenario a file, on the simulated network under a paused clock.
//!
//! The server is a script of raw bytes.

mod backpressure;
mod early_responses;
mod expect_continue;
mod far;
mod keep_alive;
mod limits;
mod repeated;
mod requests;
mod responses;
mod round_trips;
mod strictness;
mod truncation;
mod unix_sockets;
