//! quinn on the simulated network.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use dipole_quinn::Quinn;
use dipole_tls::{ClientTls, ClientTlsOptions, Identity, Roots, ServerTls, ServerTlsOptions};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};

use crate::sockets::SimSockets;

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
