//! By which way: proxies, where from; and what is done around the request.

use std::net::IpAddr;
use std::sync::Arc;

use dipole::Client;
use dipole::dialers::{Bypass, Outgoing, Proxy};
use dipole::fetch::{Cookies, Decoding, Redirects, Retries};
use dipole::net::Dialer;

use crate::Failure;
use crate::args::GetArgs;

/// The network library, from where `args` say.
pub(super) fn dialer(dialer: Arc<dyn Dialer>, args: &GetArgs) -> Arc<dyn Dialer> {
    let Some(place) = &args.interface else { return dialer };
    let outgoing = Outgoing::new(dialer);
    Arc::new(match place.parse::<IpAddr>() {
        Ok(ip) => outgoing.local(ip),
        Err(_) => outgoing.interface(place),
    })
}

/// The proxy that `args` name.
pub(super) fn proxy(args: &GetArgs) -> Result<Option<Proxy>, Failure> {
    let Some(text) = &args.proxy else { return Ok(None) };
    let proxy: Proxy = text.parse().map_err(|error| Failure::Usage(format!("--proxy: {error}")))?;
    Ok(Some(proxy.bypass(Bypass::parse(args.noproxy.as_deref().unwrap_or_default()))))
}

/// TLS may be wanted where the URL has none: behind a redirect, or before a proxy.
pub(super) fn may_need_tls(args: &GetArgs) -> bool {
    let is_secured =
        |url: &String| url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    args.location || args.proxy.as_ref().is_some_and(is_secured)
}

/// The client that does what `args` ask for around the request.
pub(super) fn around(client: &Client, args: &GetArgs) -> Client {
    let mut client = client.clone();
    if args.compressed {
        client = client.layer(Decoding);
    }
    if args.location {
        client = client.layer(Cookies::default());
    }
    if args.retry > 0 {
        client = client.layer(Retries::at_most(args.retry.into()));
    }
    if args.location {
        client = client.layer(Redirects::at_most(args.max_redirs.into()));
    }
    client
}
