//! Many servers behind one client.
//!
//! [`Balance`] is a layer: each request of the client goes to one of the endpoints that a
//! [`Discover`] knows, by two random choices of which the less loaded is taken (tower's `balance`; the
//! load is the peak of recent answer times, weighted by what is under way). Endpoints that fail
//! are left out for a while.
//!
//! ```
//! use dipole_balance::{Balance, discover};
//! # fn example(client: dipole_http::Client) -> dipole_http::Client {
//! let endpoints = ["10.0.0.1:80", "10.0.0.2:80"].map(|addr| addr.parse().expect("an address"));
//! client.layer(Balance::over(discover::fixed(endpoints)))
//! # }
//! ```
//!
//! | module | what it has |
//! |---|---|
//! | [`discover`] | where endpoints come from: a list, a publisher of one's own, who has to be asked |
//! | [`register`] | the server's side: a registry, leaving it first in the drain, health checks |
//!
//! `examples/etcd` is both over a real etcd. This crate knows no network library.

#![forbid(unsafe_code)]

mod completion;
pub mod discover;
mod ejection;
mod endpoint;
mod layer;
pub mod register;

pub use ejection::Ejection;
pub use layer::{Balance, Balanced, NoEndpoint};
pub use tower::discover::{Change, Discover};
