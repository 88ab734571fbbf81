//! Dialers over any dialer: each is a value that dials by another, in any order.
//!
//! | dialer | what it does |
//! |---|---|
//! | [`HttpProxy`] | tunnels through an HTTP proxy by CONNECT, which may be reached over TLS |
//! | [`Socks5`] | tunnels through a SOCKS5 proxy |
//! | [`Proxied`] | one of these for some hosts, and the way without for the others: a [`Proxy`] |
//! | [`Resolving`] | looks names up by a [`Resolver`] of your choice, and races the addresses |
//! | [`Outgoing`] | dials from a local address, or by an interface |
//!
//! What a proxy answers is read by code that takes bytes and gives bytes. This crate knows no network
//! library, and of HTTP the answer to CONNECT alone.
//!
//! ```
//! use dipole_dialers::{Bypass, Proxy};
//! # fn dial_by(_: impl dipole_net::Dialer) {}
//! # fn example(library: impl dipole_net::Dialer + 'static) -> Result<(), dipole_dialers::ProxyError> {
//! let proxy: Proxy = "socks5h://user:password@proxy.example:1080".parse()?;
//! let proxy = proxy.bypass(Bypass::parse("localhost, .example.org, 10.0.0.0/8"));
//! dial_by(proxy.over(library, None)?);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod bypass;
mod connect_reply;
mod credentials;
mod http_proxy;
mod outgoing;
mod proxied;
mod proxy;
mod resolver;
mod socks5;
mod tunnel;

pub use bypass::Bypass;
pub use connect_reply::{ConnectReply, ReplyFault};
pub use credentials::Credentials;
pub use http_proxy::HttpProxy;
pub use outgoing::Outgoing;
pub use proxied::Proxied;
pub use proxy::{Proxy, ProxyError};
pub use resolver::{Hosts, Resolver, Resolving, SystemResolver};
pub use socks5::Socks5;
