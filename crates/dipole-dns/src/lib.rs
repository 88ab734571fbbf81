//! Names by a DNS resolver of its own (hickory), in place of the system's.
//!
//! [`Hickory`] is a [`Resolver`](dipole_dialers::Resolver), for
//! [`Resolving`](dipole_dialers::Resolving) dialers, and finds HTTPS records (RFC 9460), by which a
//! client knows that a server has HTTP/3 before it has asked it anything
//! ([`with_service_records`](dipole_http::ClientBuilder::with_service_records)). With the feature
//! `balance` a name's addresses, or a service's, are the endpoints of a `Balance`: `Endpoints`.
//! Which name servers are asked, and how, is told once, to the [`Hickory`].
//!
//! ```no_run
//! use dipole_dialers::Resolving;
//! use dipole_dns::Hickory;
//! use dipole_http::Client;
//!
//! # fn example(library: impl dipole_net::Dialer + 'static) -> dipole_net::Result<Client> {
//! let names = Hickory::of_the_system()?;
//! let dialer = Resolving::new(library, names.clone());
//! Ok(Client::builder().with_dialer(dialer).with_service_records(names).build())
//! # }
//! ```

#![forbid(unsafe_code)]

#[cfg(feature = "balance")]
mod endpoints;
mod names;
mod service_records;

#[cfg(feature = "balance")]
pub use endpoints::Endpoints;
pub use hickory_resolver;
pub use names::Hickory;
