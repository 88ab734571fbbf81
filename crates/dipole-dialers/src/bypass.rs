//! Which hosts a proxy is not for.

use std::net::IpAddr;

/// Hosts that are dialled without the proxy, as `NO_PROXY` has them. Read from a text alone, never
/// from the environment.
///
/// An entry is a host name, which means its subdomains too (`example.org`, `.example.org`,
/// `*.example.org`), an IP address, a network (`10.0.0.0/8`), any of these with a port
/// (`example.org:8080`), or `*` for all. Names are compared, never looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bypass {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    what: What,
    /// `None` is any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    /// In lower case, without a dot at its ends.
    Name(String),
    Network {
        ip: IpAddr,
        /// How many of its leading bits count.
        bits: u32,
    },
}

impl Bypass {
    /// Entries between commas or spaces.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let words = text.split([',', ' ', '\t', '\n']).map(str::trim).filter(|w| !w.is_empty());
        Self { entries: words.map(Entry::parse).collect() }
    }

    /// True when this host, a name or an IP address, is dialled without the proxy.
    #[must_use]
    pub fn applies(&self, host: &str, port: u16) -> bool {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port) && entry.what.applies(&host, ip)
        })
    }
}

impl Entry {
    fn parse(word: &str) -> Self {
        let (word, port) = split_port(word);
        let word = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
        let what = if word == "*" {
            What::All
        } else if let Some(network) = network(word) {
            network
        } else {
            let name = word.strip_prefix('*').unwrap_or(word).trim_matches('.');
            What::Name(name.to_ascii_lowercase())
        };
        Self { what, port }
    }
}

/// The port after a host; an IPv6 address without brackets has none.
fn split_port(word: &str) -> (&str, Option<u16>) {
    match word.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (word, None),
        },
        _ => (word, None),
    }
}

fn network(word: &str) -> Option<What> {
    let (ip, bits) = match word.split_once('/') {
        None => (word.parse::<IpAddr>().ok()?, None),
        Some((ip, bits)) => (ip.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
    };
    let all = if ip.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(all);
    (bits <= all).then_some(What::Network { ip, bits })
}

impl What {
    fn applies(&self, host: &str, address: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => host
                .strip_suffix(name.as_str())
                .is_some_and(|rest| !name.is_empty() && (rest.is_empty() || rest.ends_with('.'))),
            Self::Network { ip, bits } => match (ip, address) {
                (IpAddr::V4(ip), Some(IpAddr::V4(address))) => {
                    let differ = ip.to_bits() ^ address.to_bits();
                    differ.checked_shr(32 - bits).unwrap_or(0) == 0
                }
                (IpAddr::V6(ip), Some(IpAddr::V6(address))) => {
                    let differ = ip.to_bits() ^ address.to_bits();
                    differ.checked_shr(128 - bits).unwrap_or(0) == 0
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_mean_hosts_their_subdomains_networks_and_ports() {
        let bypass = Bypass::parse(
            "localhost, .example.org *.test  10.0.0.0/8,192.168.1.7 [::1] fd00::/8 ported:81,[::2]:82",
        );
        for (host, port) in [
            ("localhost", 80),
            ("LOCALHOST.", 80),
            ("a.localhost", 80),
            ("example.org", 80),
            ("a.b.Example.org", 1),
            ("x.test", 80),
            ("10.255.0.1", 80),
            ("::ffff:10.0.0.1", 80),
            ("192.168.1.7", 80),
            ("::1", 80),
            ("[::1]", 80),
            ("fdab::1", 80),
            ("ported", 81),
            ("::2", 82),
        ] {
            assert!(bypass.applies(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("localhost.org", 80),
            ("notexample.org", 80),
            ("example.org.evil", 80),
            ("11.0.0.1", 80),
            ("192.168.1.8", 80),
            ("::3", 80),
            ("fe00::1", 80),
            ("ported", 80),
            ("::2", 80),
            ("", 80),
        ] {
            assert!(!bypass.applies(host, port), "{host}:{port}");
        }
    }

    #[test]
    fn nothing_applies_to_nobody_and_a_star_to_all() {
        assert!(!Bypass::default().applies("a", 1));
        assert!(!Bypass::parse(" , ").applies("a", 1));
        assert!(!Bypass::parse("10.0.0.0/33,.").applies("10.0.0.0", 1));
        assert!(Bypass::parse("*").applies("a", 1));
        assert!(Bypass::parse("0.0.0.0/0").applies("1.2.3.4", 1));
        assert!(!Bypass::parse("0.0.0.0/0").applies("::1", 1));
        assert!(Bypass::parse("::/0").applies("::1", 1));
    }
}
