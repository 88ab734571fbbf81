//! quinn's sockets on the simulated network.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use dipole_net::{Addr, Error, ErrorKind, Result};
use dipole_quinn::{DatagramSocket, Quinn, Sockets};
use dipole_sim::Network;
use dipole_tls::{ClientTls, ClientTlsOptions, Identity, Roots, ServerTls, ServerTlsOptions};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};

pub(crate) const SERVER: &str = "10.0.0.1";
pub(crate) const CLIENT: &str = "10.0.0.2";

/// Of all runs in this process, so that the same certificate is sent in each.
static TLS: LazyLock<(ServerTls, ClientTls)> = LazyLock::new(certified);

/// QUIC with these sockets.
pub(crate) fn quinn(sockets: Arc<SimSockets>) -> Quinn {
    let (server, client) = TLS.clone();
    Quinn::new(server, client).over(sockets)
}

/// A certificate of its own, with a key whose signatures are all of one length: what is sent then has
/// the same length in each run.
fn certified() -> (ServerTls, ClientTls) {
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let mut parameters = CertificateParams::new([SERVER.to_owned()]).expect("a name");
    let now = SystemTime::now();
    parameters.not_before = (now - Duration::from_secs(3600)).into();
    parameters.not_after = (now + Duration::from_secs(3600)).into();
    let certificate = parameters.self_signed(&key).expect("a certificate").pem();
    let identity = Identity::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes());
    let server = ServerTls::new(&ServerTlsOptions::new(identity.expect("an identity")));
    let mut trust = ClientTlsOptions::default();
    trust.roots = Roots::Pem(certificate.into_bytes());
    (server.expect("a server"), ClientTls::new(&trust).expect("a client"))
}

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
