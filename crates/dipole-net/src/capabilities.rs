//! What a network library can do, as data.

/// What a network library can do.
///
/// The conformance kit reports a statement as *not applicable* where the capability it needs is
/// absent; nothing else may find out by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Carries TCP over IPv4 and IPv6 ([`Addr::Ip`](crate::Addr::Ip)).
    pub tcp: bool,
    /// Carries QUIC or the like over UDP on IPv4 and IPv6 ([`Addr::Ip`](crate::Addr::Ip)).
    pub udp: bool,
    /// Its connections carry many streams ([`Connection::Streams`](crate::Connection::Streams));
    /// otherwise they are byte streams.
    pub streams: bool,
    /// A stream of a higher priority goes first (S24).
    pub priorities: bool,
    /// A connection outlives a change of its peer's address (S30).
    pub migration: bool,
    /// Carries datagrams, where both ends ask for them (S31).
    pub datagrams: bool,
    /// Carries early data, marked as such, where both ends ask for it (S32).
    pub early_data: bool,
    /// Looks up host names when it dials ([`Addr::Host`](crate::Addr::Host)).
    pub host_names: bool,
    /// Unix sockets at a path.
    pub unix_paths: bool,
    /// Unix sockets in Linux's abstract name space.
    pub unix_abstract: bool,
    /// One direction can end while the other goes on (B46, B47).
    pub half_close: bool,
    /// A connection can be broken off so that the peer sees a reset (B48). Unix sockets have no such
    /// thing: on them the peer may see the end, whatever this says.
    pub reset: bool,
    /// Can listen on a descriptor that was opened elsewhere (L6).
    pub descriptors: bool,
    /// Uses one descriptor of the process for each connection (L5, B54).
    pub uses_descriptors: bool,
    /// Dials by way of somebody else, a proxy, perhaps not to each address. A dialer over another
    /// says of itself what that one says, so that whoever dials by several can tell that one would
    /// go around another's proxy.
    pub proxied: bool,
}

impl Capabilities {
    /// None at all; a library switches on what it has.
    pub const NONE: Self = Self {
        tcp: false,
        udp: false,
        streams: false,
        priorities: false,
        migration: false,
        datagrams: false,
        early_data: false,
        host_names: false,
        unix_paths: false,
        unix_abstract: false,
        half_close: false,
        reset: false,
        descriptors: false,
        uses_descriptors: false,
        proxied: false,
    };
}
