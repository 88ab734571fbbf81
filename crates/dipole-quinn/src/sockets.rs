//! UDP sockets that are not the system's.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dipole_net::Result;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

/// Where an endpoint's UDP sockets come from, in place of the operating system: a simulated network,
/// a tunnel.
///
/// Time is tokio's. So on a simulated network under a paused clock QUIC runs in virtual time.
pub trait Sockets: fmt::Debug + Send + Sync {
    /// A socket at `addr`, which is nobody else's; port 0 becomes a free one, and the unspecified
    /// address an own one.
    ///
    /// # Errors
    /// As for [`Transport::listen`](dipole_net::Transport::listen).
    fn bind(&self, addr: SocketAddr) -> Result<Arc<dyn DatagramSocket>>;

    /// Where the endpoints' chance comes from, but for connection ids and for TLS's secrets: for
    /// simulations, whose runs it lets repeat, and for nothing else. `None`, the default, is the
    /// system's.
    fn seed(&self) -> Option<[u8; 32]> {
        None
    }
}

/// A UDP socket of [`Sockets`]. Dropping it closes it.
pub trait DatagramSocket: fmt::Debug + Send + Sync {
    /// Sends one datagram without waiting, or loses it.
    ///
    /// # Errors
    /// What the connection's peer cannot be reached for; a lost datagram is no error.
    fn send(&self, to: SocketAddr, datagram: &[u8]) -> Result<()>;

    /// Receives the next datagram into `buffer`, which is longer than any: its length, and who sent
    /// it. One task at a time waits.
    ///
    /// # Errors
    /// The socket cannot be used any more: its connections end.
    ///
    /// # Cancel safety
    /// No datagram is lost between two polls.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<(usize, SocketAddr)>>;

    /// Where it is bound now.
    fn local_addr(&self) -> SocketAddr;
}

/// A UDP socket, whose it may be.
#[derive(Debug)]
pub(crate) enum Socket {
    System(UdpSocket),
    Given { socket: Arc<dyn DatagramSocket>, seed: Option<[u8; 32]> },
}

impl Socket {
    /// One of `sockets` at `addr`.
    pub(crate) fn given(sockets: &Arc<dyn Sockets>, addr: SocketAddr) -> Result<Self> {
        Ok(Self::Given { socket: sockets.bind(addr)?, seed: sockets.seed() })
    }

    pub(crate) fn local_addr(&self) -> Result<SocketAddr> {
        match self {
            Self::System(socket) => Ok(socket.local_addr()?),
            Self::Given { socket, .. } => Ok(socket.local_addr()),
        }
    }
}

/// A given socket as quinn wants it.
#[derive(Debug)]
pub(crate) struct Given(pub(crate) Arc<dyn DatagramSocket>);

impl AsyncUdpSocket for Given {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        Ok(self.0.send(transmit.destination, transmit.contents)?)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            match self.0.poll_receive(cx, buffer) {
                Poll::Ready(Ok((length, from))) => {
                    let mut seen = RecvMeta::default();
                    (seen.addr, seen.len, seen.stride) = (from, length, length);
                    *meta = seen;
                    received += 1;
                }
                // What came before is given first.
                _ if received > 0 => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local_addr())
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// Sending never waits.
#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
