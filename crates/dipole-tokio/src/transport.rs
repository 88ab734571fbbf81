//! Binding addresses.

use dipole_io::BufferPool;
use dipole_net::{Addr, Capabilities, ListenOptions, Listener, Result, Transport};

use crate::listener;

/// TCP and Unix sockets on tokio: a transport and a dialer.
#[derive(Debug, Clone, Default)]
pub struct Tokio {
    pub(crate) buffers: BufferPool,
}

impl Tokio {
    /// With a pool of read and write buffers of its own for dialled connections; each listener has
    /// another.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What this library can do on this platform.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.tcp = true;
    capabilities.host_names = true;
    capabilities.unix_paths = cfg!(unix);
    capabilities.unix_abstract = cfg!(target_os = "linux");
    capabilities.half_close = true;
    capabilities.reset = true;
    capabilities.descriptors = cfg!(unix);
    capabilities.uses_descriptors = true;
    capabilities
};

impl Transport for Tokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let sockets = dipole_sockets::listen(addr, options)?;
        Ok(sockets.into_iter().map(|bound| listener::over(bound, options)).collect())
    }
}
