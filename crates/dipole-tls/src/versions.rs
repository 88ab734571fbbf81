//! The versions of TLS.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// Which versions of TLS an end speaks. Older ones are broken and not to be had (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Versions {
    /// TLS 1.2 and 1.3: every peer of the last ten years. The default.
    #[default]
    Both,
    /// TLS 1.3 alone (RFC 8446).
    Only13,
    /// TLS 1.2 alone (RFC 5246), for tests of old peers.
    Only12,
}

impl Versions {
    pub(crate) fn rustls(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Both => vec![&TLS13, &TLS12],
            Self::Only13 => vec![&TLS13],
            Self::Only12 => vec![&TLS12],
        }
    }
}
