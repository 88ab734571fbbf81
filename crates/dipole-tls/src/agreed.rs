//! What handshakes have negotiated.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dipole_net::TlsInfo;
use rustls::pki_types::CertificateDer;
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
    /// The one that is known and the same, or else a new one, which is known from now on.
    pub(crate) fn share(&self, agreed: &Agreed<'_>) -> Arc<TlsInfo> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.iter().find(|known| agreed.is(known)) {
            return Arc::clone(same);
        }
        if known.len() == MOST_KNOWN {
            known.remove(0);
        }
        let info = Arc::new(agreed.info());
        known.push(Arc::clone(&info));
        info
    }
}

/// What one handshake has negotiated.
pub(crate) struct Agreed<'a> {
    /// rustls's state after it.
    pub(crate) state: &'a CommonState,
    pub(crate) server_name: Option<&'a str>,
    pub(crate) had_early_data: bool,
}

impl Agreed<'_> {
    /// True when `info` is what [`info`](Self::info) would make: nothing is copied to know that.
    fn is(&self, info: &TlsInfo) -> bool {
        let TlsInfo {
            alpn,
            server_name,
            version,
            cipher_suite,
            peer_certificates,
            resumed,
            early_data,
            ..
        } = info;
        let [prefix, suite] = self.cipher_suite();
        *version == self.version()
            && cipher_suite.strip_prefix(prefix) == Some(suite)
            && server_name.as_deref() == self.server_name
            && alpn.as_deref() == self.state.alpn_protocol()
            && *resumed == self.is_resumed()
            && *early_data == self.had_early_data
            && peer_certificates
                .iter()
                .map(|known| &known[..])
                .eq(self.peer_certificates().iter().map(|shown| &shown[..]))
    }

    fn info(&self) -> TlsInfo {
        let mut info = TlsInfo::default();
        info.alpn = self.state.alpn_protocol().map(Bytes::copy_from_slice);
        info.server_name = self.server_name.map(str::to_owned);
        info.version = self.version().to_owned();
        info.cipher_suite = self.cipher_suite().concat();
        info.peer_certificates = self
            .peer_certificates()
            .iter()
            .map(|certificate| Bytes::copy_from_slice(certificate))
            .collect();
        info.resumed = self.is_resumed();
        info.early_data = self.had_early_data;
        info
    }

    fn version(&self) -> &'static str {
        match self.state.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            // This side speaks no other.
            _ => "",
        }
    }

    /// IANA's name, in two parts: rustls adds the version.
    fn cipher_suite(&self) -> [&'static str; 2] {
        let name = self.state.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let name = name.unwrap_or_default();
        match name.strip_prefix("TLS13_") {
            Some(rest) => ["TLS_", rest],
            None => ["", name],
        }
    }

    fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.state.peer_certificates().unwrap_or_default()
    }

    fn is_resumed(&self) -> bool {
        self.state.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}
