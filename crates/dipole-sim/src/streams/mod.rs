//! Connections of many streams on the simulated network.
//!
//! Nothing runs in the background here either. Each stream's data, each word about credit, each end
//! and each reset carries the time at which it arrives; whoever waits for one of them waits for that
//! time. What has no waiter, keep-alives and idle timeouts, is worked out when somebody looks.

mod channel;
mod conn;
mod credit;
mod halves;
mod life;
mod path;
mod session;
mod stream;
mod transfer;
mod waiting;

use std::fmt;

use bytes::Bytes;
use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ListenOptions, Listener,
    Result, StreamOptions, TlsFault, TlsInfo, TlsOptions, Transport,
};

pub(crate) use self::conn::SimStreams;
pub(crate) use self::session::Session;
use crate::Network;
use crate::dialer::Wanted;
use crate::network::{Carries, Terms};

/// Connections of many streams on a simulated network, and both halves of a network library of
/// them; [`Network::streams`] gives it. Clones are the same network.
///
/// They meet hosts, ways and faults as byte streams do, each stream for itself: what one loses does
/// not hold up another. A chunk that breaks the connection off breaks it off whole, with `Reset` at
/// both ends. A way that is cut ends a connection by its idle timeout; so does a host that has
/// crashed, unless it is up again and answers with a reset. Ports are others than those of byte
/// streams: both may listen on the same address.
///
/// There is no TLS; where a dial asks for it, both ends are told what ALPN and the server's name
/// would have been, so that protocols can be chosen by them. Priorities do nothing, addresses do not
/// change, and there is no early data.
#[derive(Clone)]
pub struct Streams {
    network: Network,
    /// What its listeners speak, best first; empty is whatever is asked for.
    protocols: Vec<Bytes>,
}

impl Network {
    /// Connections of many streams on this network, dialled from where this value's dials come from.
    #[must_use]
    pub fn streams(&self) -> Streams {
        Streams { network: self.clone(), protocols: Vec::new() }
    }
}

impl Streams {
    /// Its listeners speak these protocols alone, best first (ALPN): a dial that asks for TLS and
    /// for none of them fails. Without them they speak the first that a dial asks for.
    #[must_use]
    pub fn protocols<P: Into<Bytes>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The network that they are on.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    const CAPABILITIES: Capabilities = {
        let mut capabilities = Capabilities::NONE;
        capabilities.streams = true;
        capabilities.host_names = true;
        capabilities.datagrams = true;
        capabilities
    };
}

impl Transport for Streams {
    fn name(&self) -> &'static str {
        "sim-streams"
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    /// As [`Network`]'s; the options `streams` count too, but for `early_data` and `migration`.
    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let (streams, protocols) = (options.streams.clone(), self.protocols.clone());
        let carries = Carries::Streams(Terms { streams, protocols });
        self.network.listen_for(carries, addr, options)
    }
}

impl Dialer for Streams {
    fn name(&self) -> &'static str {
        dipole_net::Transport::name(self)
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    /// As [`Network`]'s; the options `streams` count too, and of `tls` the protocols and the name.
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        let handshake = Some(options.streams.handshake_timeout);
        let timeout = options.timeout.into_iter().chain(handshake).min();
        let wanted = Wanted::Streams { options: options.streams.clone(), tls: options.tls.clone() };
        Box::pin(self.network.dial_within(addr, options.local, timeout, wanted))
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("network", &self.network).finish_non_exhaustive()
    }
}

/// What both ends are told of a dial that asks for TLS: at the dialler's end and at the listener's.
pub(crate) fn negotiated(
    protocols: &[Bytes],
    tls: Option<&TlsOptions>,
) -> Result<[Option<TlsInfo>; 2]> {
    let Some(tls) = tls else { return Ok([None, None]) };
    let speaks = |protocol: &&Bytes| tls.alpn.contains(protocol);
    let alpn = match (protocols.is_empty(), tls.alpn.is_empty()) {
        (true, _) => tls.alpn.first(),
        (false, true) => None,
        (false, false) => match protocols.iter().find(speaks) {
            Some(protocol) => Some(protocol),
            None => {
                let text = "no protocol is spoken by both ends";
                return Err(Error::tls(TlsFault::NothingInCommon, text));
            }
        },
    };
    let mut info = TlsInfo::default();
    info.alpn = alpn.cloned();
    info.server_name = Some(tls.server_name.clone());
    Ok([Some(info.clone()), Some(info)])
}

/// The options of both ends: the dialler's first.
pub(crate) type BothOptions = [StreamOptions; 2];
