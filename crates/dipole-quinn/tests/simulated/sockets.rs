//! UDP sockets of the simulated network, for quinn.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use dipole_net::{Addr, Error, ErrorKind, Result};
use dipole_quinn::{DatagramSocket, Sockets};
use dipole_sim::Network;

/// The sockets of one host.
pub(crate) struct SimSockets {
    network: Network,
    host: &'static str,
    bound: Mutex<Vec<Arc<SimSocket>>>,
}

impl SimSockets {
    pub(crate) fn new(network: &Network, host: &'static str) -> Arc<Self> {
        Arc::new(Self { network: network.clone(), host, bound: Mutex::default() })
    }

    /// Every socket goes on at another port, as behind a router that has forgotten them.
    pub(crate) fn change_addresses(&self) {
        for socket in &*self.bound.lock().unwrap_or_else(PoisonError::into_inner) {
            socket.change_address();
        }
    }
}

impl Sockets for SimSockets {
    fn bind(&self, addr: SocketAddr) -> Result<Arc<dyn DatagramSocket>> {
        let host = self.host.parse().expect("an address");
        let inner = self.network.bind_datagrams(&Addr::Ip(SocketAddr::new(host, addr.port())))?;
        let socket = Arc::new(SimSocket { inner: Mutex::new(inner), waiting: Mutex::default() });
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&socket));
        Ok(socket)
    }

    fn seed(&self) -> Option<[u8; 32]> {
        Some([7; 32])
    }
}

impl fmt::Debug for SimSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimSockets").field("host", &self.host).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct SimSocket {
    inner: Mutex<dipole_sim::DatagramSocket>,
    /// Who waits at the address that it has now.
    waiting: Mutex<Option<Waker>>,
}

impl SimSocket {
    fn change_address(&self) {
        let mut address = self.local_addr();
        address.set_port(0);
        self.lock().rebind(&Addr::Ip(address)).expect("a free port");
        if let Some(waker) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, dipole_sim::DatagramSocket> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DatagramSocket for SimSocket {
    fn send(&self, to: SocketAddr, datagram: &[u8]) -> Result<()> {
        self.lock().send(&Addr::Ip(to), datagram)
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<(usize, SocketAddr)>> {
        let received = self.lock().poll_receive(cx);
        if received.is_pending() {
            *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        }
        received.map(|received| {
            let datagram = received?;
            let length = datagram.data.len();
            let place = buffer.get_mut(..length);
            place
                .ok_or_else(|| Error::new(ErrorKind::InvalidInput))?
                .copy_from_slice(&datagram.data);
            let from = datagram.from.ip().expect("hosts are IP addresses here");
            Ok((length, from))
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.lock().local_addr().ip().expect("hosts are IP addresses here")
    }
}
