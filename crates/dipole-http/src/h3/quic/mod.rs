//! What the crate `h3` asks of QUIC, over any [`StreamConn`](dipole_net::StreamConn), for both ends.
//!
//! It also guards `h3`: that crate holds whole whatever frame comes, however long, takes an empty
//! DATA frame for a body's end, reads ahead of its caller, and panics on a stream that ends within
//! a DATA frame. `receive.rs` gives it only frames that it gets right.

mod conn;
mod error;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub(crate) use self::conn::{Opened, QuicConn, QuicOpener};
pub(crate) use self::error::failure;
pub(crate) use self::receive::QuicReceive;
pub(crate) use self::send::QuicSend;
