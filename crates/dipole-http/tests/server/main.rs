//! What the server promises, one scenario a file, on the simulated network under a paused clock.
//!
//! The client is a script of raw bytes, and reads answers with a reader of its own.

#[path = "../support/mod.rs"]
mod support;

mod absent_bodies;
mod axum;
mod backpressure;
mod chunked;
mod client_gone;
mod date;
mod deadlines;
mod early_answers;
mod expect_continue;
mod failures;
mod handshakes;
mod hooks;
mod keep_alive;
mod limits;
mod messages;
mod pipelining;
mod prior_knowledge;
mod repeated_heads;
mod rough_network;
mod shutdown;
mod targets;
mod upgrades;
