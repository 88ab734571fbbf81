//! An HTTP stack whose network library is a value.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use dipole::{Server, tokio::Tokio};
//!
//! fn main() -> dipole::net::Result<()> {
//!     let app = Router::new().route("/", get(|| async { "Hello, World!" }));
//!     Server::new(app).listen("127.0.0.1:8888", Tokio::new()).run()
//! }
//! ```

#![forbid(unsafe_code)]

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "dialers")]
pub mod dialers;
#[cfg(feature = "tls")]
pub mod tls;

pub use dipole_http::*;
pub use dipole_io as io;
pub use dipole_net as net;

#[cfg(feature = "balance")]
pub use dipole_balance as balance;
#[cfg(feature = "hickory")]
pub use dipole_dns as dns;
#[cfg(feature = "fetch")]
pub use dipole_fetch as fetch;
#[cfg(feature = "layers")]
pub use dipole_layers as layers;
#[cfg(feature = "observe")]
pub use dipole_observe as observe;
#[cfg(feature = "quinn")]
pub use dipole_quinn as quinn;
#[cfg(feature = "s2n")]
pub use dipole_s2n as s2n;
#[cfg(feature = "sim")]
pub use dipole_sim as sim;
#[cfg(feature = "tokio")]
pub use dipole_tokio as tokio;
#[cfg(all(feature = "uring", target_os = "linux"))]
pub use dipole_uring as uring;

/// The README's code compiles.
#[cfg(all(
    doctest,
    feature = "conformance",
    feature = "cookies",
    feature = "decoding",
    feature = "dialers",
    feature = "json",
    feature = "tls",
    feature = "tokio"
))]
#[doc = include_str!("../../../README.md")]
struct Readme;
