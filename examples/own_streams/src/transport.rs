//! The library's face, and its listening half.

use std::fmt;
use std::sync::Arc;

use dipole_net::{Addr, Capabilities, Dialer, Driver, ListenOptions, Listener, Result, Transport};

use crate::listener::MuxListener;

/// Connections of streams over the byte streams of another network library. Clones are the same.
///
/// Addresses are the other library's, and so is TLS where its connections have it. There are no
/// priorities, no datagrams, no early data, and addresses do not change. A reason of a close is
/// cut at 1024 bytes.
#[derive(Clone)]
pub struct Mux {
    transport: Arc<dyn Transport>,
    pub(crate) dialer: Arc<dyn Dialer>,
}

impl Mux {
    /// Over the connections that `transport` accepts and `dialer` makes, which have to be byte
    /// streams: others are `Unsupported`.
    #[must_use]
    pub fn over(transport: impl Transport + 'static, dialer: impl Dialer + 'static) -> Self {
        Self { transport: Arc::new(transport), dialer: Arc::new(dialer) }
    }
}

/// What this library can do over one that can do that.
pub(crate) fn capabilities(under: Capabilities) -> Capabilities {
    let mut capabilities = Capabilities::NONE;
    capabilities.streams = true;
    // Which addresses there are is the other library's affair. Unix sockets, and listening on a
    // descriptor, work where they do there, but the kit judges them over byte streams alone: what it
    // has not judged is not declared.
    capabilities.tcp = under.tcp;
    capabilities.host_names = under.host_names;
    capabilities.proxied = under.proxied;
    capabilities
}

impl Transport for Mux {
    fn name(&self) -> &'static str {
        "own-streams"
    }

    fn capabilities(&self) -> Capabilities {
        capabilities(self.transport.capabilities())
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let listeners = self.transport.listen(addr, options)?.into_iter();
        let over = |under| -> Box<dyn Listener> {
            Box::new(MuxListener::new(under, options.streams.clone()))
        };
        Ok(listeners.map(over).collect())
    }

    fn driver(&self) -> Result<Option<Arc<dyn Driver>>> {
        self.transport.driver()
    }
}

impl fmt::Debug for Mux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mux").field("over", &self.transport.name()).finish_non_exhaustive()
    }
}
