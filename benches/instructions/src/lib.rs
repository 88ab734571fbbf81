//! HTTP servers over a client in memory, for counting the instructions that one request costs.
//!
//! The client costs next to nothing and is the same for every server: it is the reader and writer
//! that the server is given, hands out a prepared request, counts the bytes of the answer, and then
//! hands out the next request. What is counted is thus the server, and one turn of the tokio task
//! that it runs in.

pub mod axum;
pub mod bare;
pub mod bare_axum;
pub mod bare_http;
mod client;
#[cfg(feature = "dipole")]
pub mod dipole;
mod handler;
pub mod hyper;
mod prepared;
mod routes;
mod scenario;

pub use client::Client;
pub use prepared::Prepared;
pub use scenario::Scenario;
