//! What the server promises on HTTP/2, on the simulated network under a paused clock.
//!
//! The client is the h2 crate, or a script of raw frames where a client has to misbehave.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod client_gone;
mod deadlines;
mod drain;
mod floods;
mod grpc;
mod requests;
mod web_socket;
