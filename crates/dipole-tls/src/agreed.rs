//! What handshakes have negotiated.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dipole_net::TlsInfo;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};

/// The most different ones that are remembered.
const MOST_KNOWN: usize = 8;

/// The last few of a listener or a client. Connections that have negotiated the same, as most do,
/// hold it once: it may have the peer's certificates, which are longer than all else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agreements {
    /// The newest last.
    known: Arc<Mutex<Vec<Arc<TlsInfo>>>>,
}

impl Agreements {
    /// The one that is known and the same, or else `info`, which is known from now on.
    pub(crate) fn share(&self, info: TlsInfo) -> Arc<TlsInfo> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|known| ***known == info) {
            return Arc::clone(same);
        }
        if known.len() == MOST_KNOWN {
            known.remove(0);
        }
        let info = Arc::new(info);
        known.push(Arc::clone(&info));
        info
    }
}

/// What rustls tells after a handshake.
pub(crate) fn info(state: &CommonState, server_name: Option<String>) -> TlsInfo {
    let mut info = TlsInfo::default();
    info.alpn = state.alpn_protocol().map(Bytes::copy_from_slice);
    info.server_name = server_name;
    info.version = match state.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
        other => format!("{other:?}"),
    };
    info.cipher_suite = state
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        // IANA's name; rustls adds the version.
        .map_or_else(String::new, |name| name.replacen("TLS13_", "TLS_", 1));
    info.peer_certificates = state
        .peer_certificates()
        .unwrap_or_default()
        .iter()
        .map(|certificate| Bytes::copy_from_slice(certificate))
        .collect();
    info.resumed = state.handshake_kind() == Some(HandshakeKind::Resumed);
    info
}
