//! What this machine's UDP sockets do for QUIC.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

/// How many datagrams one system call can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offload {
    /// Sent at once: 1 without segmentation offload (GSO, Linux's `UDP_SEGMENT`).
    pub send: usize,
    /// Received at once from one peer: 1 without receive offload (GRO, Linux's `UDP_GRO`).
    pub receive: usize,
}

impl Offload {
    /// Asks a socket of its own.
    ///
    /// # Errors
    /// No UDP socket can be made.
    pub fn probe() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let state = quinn::udp::UdpSocketState::new((&socket).into())?;
        Ok(Self { send: state.max_gso_segments(), receive: state.gro_segments() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_carries_one_datagram_at_least() {
        let Offload { send, receive } = Offload::probe().expect("a socket");
        assert!(send >= 1 && receive >= 1, "{send}, {receive}");
    }
}
