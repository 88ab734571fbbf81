//! What the server promises, one scenario a file, on the simulated network under a paused clock.
//!
//! The client is a script of raw bytes, and reads answers with a reader of its own.

#[path = "../support/mod.rs"]
mod support;

mod absent_bodies;
mod backpressure;
mod chunked;
mod date;
mod early_answers;
mod expect_continue;
mod keep_alive;
mod messages;
mod pipelining;
mod targets;
