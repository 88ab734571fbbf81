//! What libraries over QUIC have in common: an endpoint's options, and codes in the contract's words.

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Initiator, TlsFault};

/// What an endpoint of QUIC does, apart from its connections' own options.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct QuicOptions {
    /// The protocols to accept, and to offer where a dial names none, best first (RFC 7301).
    /// Default `h3`.
    pub alpn: Vec<Bytes>,
    /// When a client first has to prove that it is at its address (RFC 9000 section 8.1.2).
    /// Default: above 256 pending handshakes.
    pub retry: Retry,
    /// Handshakes that may be pending at once; further ones are refused. Default 4096.
    pub pending_handshakes: usize,
    /// The size of the socket's buffers to ask the system for, in bytes, which may give less.
    /// Default 2 MiB.
    pub socket_buffer: usize,
    /// Leaves cutting a batch into packets to the kernel (GSO), where it can. Default true.
    pub segmentation_offload: bool,
}

impl Default for QuicOptions {
    fn default() -> Self {
        Self {
            alpn: vec![Bytes::from_static(b"h3")],
            retry: Retry::Above(256),
            pending_handshakes: 4096,
            socket_buffer: 2 << 20,
            segmentation_offload: true,
        }
    }
}

impl QuicOptions {
    /// The protocols as TLS takes them: those that a dial `asked` for, or this endpoint's own.
    #[must_use]
    pub fn protocols(&self, asked: &[Bytes]) -> Vec<Vec<u8>> {
        let protocols = if asked.is_empty() { &self.alpn } else { asked };
        protocols.iter().map(|protocol| protocol.to_vec()).collect()
    }
}

/// When a client that has not shown a token is sent back for one: it costs a round trip, and the
/// server holds nothing meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    Never,
    /// When more handshakes than this are pending.
    Above(usize),
    /// Each time.
    Always,
}

impl Retry {
    /// With so many handshakes pending.
    #[must_use]
    pub fn applies(self, pending: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Above(limit) => pending > limit,
            Self::Always => true,
        }
    }
}

/// A connection that ended with a code of the transport's, sent `by` this one (RFC 9000 section
/// 20.1).
pub fn transport_error(
    code: u64,
    by: Initiator,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    const NO_ERROR: u64 = 0x00;
    const CONNECTION_REFUSED: u64 = 0x02;
    const APPLICATION_ERROR: u64 = 0x0c;
    let kind = match code {
        // The second is an application's close in mid-handshake, its code withheld (section 10.2.3).
        NO_ERROR | APPLICATION_ERROR => ErrorKind::Closed,
        CONNECTION_REFUSED => ErrorKind::Refused,
        // CRYPTO_ERROR: an alert of TLS in the lower byte.
        0x0100..=0x01ff => return Error::tls(TlsFault::of_alert(code as u8, by), source),
        _ => ErrorKind::Protocol { code, by },
    };
    Error::with_source(kind, source)
}

/// A stream that this end broke off.
#[must_use]
pub fn broken_here(code: u64) -> Error {
    Error::new(ErrorKind::StreamReset { code, by: Initiator::Local })
}
