//! TLS as a connection over any connection.
//!
//! [`ServerTls`] and [`ClientTls`] secure a [`Conn`](dipole_net::Conn) of any network library, of a
//! tunnel, or of another TLS connection, by rustls. What comes out is a `Conn` again, so whatever
//! speaks over it need not know.
//!
//! ```
//! use dipole_net::{Dialer, Result, Transport};
//! use dipole_tls::{ClientTls, ClientTlsOptions, Identity, ServerTls, ServerTlsOptions, TlsDialer};
//!
//! fn secured_transport(plain: impl Transport) -> Result<impl Transport> {
//!     let identity = Identity::from_pem_files("chain.pem", "key.pem")?;
//!     Ok(ServerTls::new(&ServerTlsOptions::new(identity))?.over(plain))
//! }
//!
//! fn secured_dialer(plain: impl Dialer) -> Result<impl Dialer> {
//!     let tls = ClientTls::new(&ClientTlsOptions::default())?; // trusts whom the machine trusts
//!     Ok(TlsDialer::new(plain, tls))
//! }
//! ```
//!
//! This crate knows no network library and no HTTP.

#![forbid(unsafe_code)]

mod agreed;
mod authority;
mod client;
mod conn;
mod development;
mod dialer;
mod farewell;
mod fault;
mod handshake;
mod identities;
mod identity;
mod key_log;
mod own_config;
mod plain_text;
mod records;
mod roots;
mod sealer;
mod server;
mod session;
mod transport;
mod turn;
mod versions;

pub use authority::{Authority, Issued};
pub use client::{ClientTls, ClientTlsOptions};
pub use development::DevelopmentIdentity;
pub use dialer::TlsDialer;
pub use identity::Identity;
pub use roots::Roots;
pub use server::{ClientCertificates, ServerTls, ServerTlsOptions};
pub use transport::TlsTransport;
pub use versions::Versions;
