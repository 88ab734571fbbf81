//! A proxy, as people write it: `http://user:password@host:3128`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use dipole_net::{Addr, Dialer, TlsLayer};
use percent_encoding::percent_decode_str;

use crate::{Bypass, Credentials, HttpProxy, Proxied, Socks5, SystemResolver};

/// Where a proxy is, how to speak with it, and which hosts it is not for.
///
/// | URL | proxy |
/// |---|---|
/// | `http://HOST[:3128]` | HTTP, by CONNECT |
/// | `https://HOST[:443]` | the same over TLS, whose certificate is for `HOST` |
/// | `socks5h://HOST[:1080]` | SOCKS5, which looks names up |
/// | `socks5://HOST[:1080]` | SOCKS5, which is told addresses that were looked up here |
///
/// Each may have a user and password before the host, `user:password@`, percent-encoded.
#[derive(Debug, Clone)]
pub struct Proxy {
    kind: Kind,
    addr: Addr,
    /// As it was written, for certificates.
    host: String,
    credentials: Option<Credentials>,
    bypass: Bypass,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    Socks5,
    Socks5Names,
}

/// A proxy that cannot be used; the text says what to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyError {
    text: String,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ProxyError {}

impl Proxy {
    /// Not for these hosts.
    #[must_use]
    pub fn bypass(mut self, bypass: Bypass) -> Self {
        self.bypass = bypass;
        self
    }

    /// Other credentials than the URL's.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// A dialer by way of this proxy. `tls` is for the way to a proxy of `https:` alone.
    ///
    /// # Errors
    /// The proxy is one of `https:`, and there is no `tls`.
    pub fn over(
        &self,
        dialer: impl Dialer + 'static,
        tls: Option<Arc<dyn TlsLayer>>,
    ) -> Result<Proxied, ProxyError> {
        let direct: Arc<dyn Dialer> = Arc::new(dialer);
        let (dialer, addr) = (Arc::clone(&direct), self.addr.clone());
        let proxy: Arc<dyn Dialer> = match self.kind {
            Kind::Http | Kind::Https => {
                let mut proxy = HttpProxy::new(dialer, addr);
                if self.kind == Kind::Https {
                    let Some(tls) = tls else {
                        let text = "a proxy of https: needs TLS, which there is none of".to_owned();
                        return Err(ProxyError { text });
                    };
                    proxy = proxy.with_tls(tls, self.host.as_str());
                }
                Arc::new(match &self.credentials {
                    Some(credentials) => proxy.credentials(credentials.clone()),
                    None => proxy,
                })
            }
            Kind::Socks5 | Kind::Socks5Names => {
                let mut proxy = Socks5::new(dialer, addr);
                if self.kind == Kind::Socks5 {
                    proxy = proxy.look_up_by(SystemResolver);
                }
                Arc::new(match &self.credentials {
                    Some(credentials) => proxy.credentials(credentials.clone()),
                    None => proxy,
                })
            }
        };
        let (addr, bypass) = (self.addr.clone(), self.bypass.clone());
        Ok(Proxied { proxy, direct, addr, bypass })
    }

    /// Where the proxy is.
    #[must_use]
    pub fn addr(&self) -> &Addr {
        &self.addr
    }

    /// True when it forwards plain HTTP requests, as every HTTP proxy does.
    #[must_use]
    pub fn forwards(&self) -> bool {
        matches!(self.kind, Kind::Http | Kind::Https)
    }

    /// What an HTTP proxy is told as `Proxy-Authorization`; `None` without credentials.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.credentials.as_ref().map(Credentials::basic)
    }

    /// The hosts that it is not for.
    #[must_use]
    pub fn bypassed(&self) -> &Bypass {
        &self.bypass
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    /// Without a scheme it is `http:`.
    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let wrong = |why: &str| ProxyError {
            text: format!(
                "{why}: write http://HOST:PORT, https:, socks5: or socks5h:, the user and password \
                 before the host as USER:PASSWORD@"
            ),
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let (kind, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Kind::Http, 3128),
            "https" => (Kind::Https, 443),
            "socks5" => (Kind::Socks5, 1080),
            "socks5h" => (Kind::Socks5Names, 1080),
            other => return Err(wrong(&format!("{other:?} is no kind of proxy"))),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(wrong("a proxy has no path"));
        }
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let credentials = match user {
            None => None,
            Some(user) => Some(credentials(user).ok_or_else(|| wrong("its user is no text"))?),
        };
        let (host, port) = match place.rsplit_once(':') {
            // The colons of an IPv6 address are inside of brackets.
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| wrong("its port is a number up to 65535"))?)
            }
            _ => (place, default_port),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let addr = format!("{host}:{port}").parse::<Addr>();
        let addr = addr.map_err(|_| wrong(&format!("{host:?} is no host")))?;
        if !matches!(addr, Addr::Ip(_) | Addr::Host(..)) {
            return Err(wrong(&format!("{host:?} is no host")));
        }
        Ok(Self { kind, addr, host: bare.to_owned(), credentials, bypass: Bypass::default() })
    }
}

fn credentials(text: &str) -> Option<Credentials> {
    let decode = |text| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    Some(Credentials::new(decode(user)?, decode(password)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_which_kind_where_and_who() {
        for (text, kind, addr, who) in [
            ("proxy", Kind::Http, "proxy:3128", None),
            ("proxy:8080", Kind::Http, "proxy:8080", None),
            ("HTTP://proxy/", Kind::Http, "proxy:3128", None),
            ("https://u:p%40@proxy", Kind::Https, "proxy:443", Some(("u", "p@"))),
            ("socks5://127.0.0.1", Kind::Socks5, "127.0.0.1:1080", None),
            ("socks5h://u@[::1]:1", Kind::Socks5Names, "[::1]:1", Some(("u", ""))),
        ] {
            let proxy: Proxy = text.parse().expect(text);
            assert_eq!((proxy.kind, &*proxy.addr.to_string()), (kind, addr), "{text}");
            let who = who.map(|(user, password)| Credentials::new(user, password));
            assert_eq!(proxy.credentials, who, "{text}");
            assert!(!format!("{proxy:?}").contains("p@"), "passwords are not shown");
        }
    }

    #[test]
    fn what_is_no_proxy_says_what_to_write() {
        for text in ["", "ftp://x", "http://", "http://x:y", "http://x/y", "http://a b", "x:99999"]
        {
            let error = text.parse::<Proxy>().expect_err(text);
            assert!(error.to_string().contains("write http://HOST:PORT"), "{error}");
        }
    }
}
