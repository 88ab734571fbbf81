//! What the server promises on HTTP/3, over simulated streams in virtual time.
//!
//! The client is written by hand, so that it can misbehave; it shares the server's codec, which the
//! peers of CI judge.

#[allow(dead_code, unused_imports, reason = "a client uses a part of it")]
#[path = "../../src/h3/codec/mod.rs"]
mod codec;
#[path = "../support/mod.rs"]
mod support;

mod client;
mod client_gone;
mod deadlines;
mod drain;
mod faults;
mod floods;
mod requests;
mod side_by_side;
mod uploads;
mod web_socket;
