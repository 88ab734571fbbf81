//! What the network libraries over the system's sockets have in common.
//!
//! Sockets are bound ([`listen`], [`listen_udp`]) and prepared ([`tcp_socket`], [`unix_socket`],
//! [`dial_udp`]) in one way, names
//! are looked up and raced in one way ([`look_up`], [`first_connected`]), and a Unix path is owned in
//! one way, whatever then waits for the sockets: tokio's event source or io_uring. This crate moves
//! no bytes.
//!
//! ```
//! use dipole_net::ListenOptions;
//!
//! # fn main() -> dipole_net::Result<()> {
//! let bound = dipole_sockets::listen(&"127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
//! assert_eq!(bound.len(), 1);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod address;
mod bind;
mod dial;
mod happy_eyeballs;
mod udp;
#[cfg(unix)]
mod unix_path;

#[cfg(target_os = "linux")]
pub use address::abstract_address;
#[cfg(unix)]
pub use address::unix_addr;
pub use bind::{Bound, listen};
#[cfg(unix)]
pub use dial::unix_socket;
pub use dial::{look_up, tcp_socket};
pub use happy_eyeballs::first as first_connected;
pub use udp::{dial_host, dial_udp, listen_udp};
#[cfg(unix)]
pub use unix_path::own_path;
