//! Which network library a name means: the one place that knows.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dipole::net::{Dialer, Transport};
use dipole::quinn::Quinn;
use dipole::s2n::S2n;
use dipole::sim::Network as SimNetwork;
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use dipole::tokio::Tokio;
#[cfg(target_os = "linux")]
use dipole::uring::{Counters, Probe, Uring};
use serde_json::Value;
#[cfg(target_os = "linux")]
use serde_json::json;

use crate::Failure;

/// A network library, under its name.
#[derive(Clone)]
pub struct Network {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its listening half.
    pub transport: Arc<dyn Transport>,
    /// Its dialling half.
    pub dialer: Arc<dyn Dialer>,
    /// How the conformance kit is to judge it.
    pub judged: Judged,
    /// What it has done so far, as an object; `None` where it counts nothing.
    pub figures: Option<Figures>,
}

/// Gives what a network library has done so far.
pub type Figures = Arc<dyn Fn() -> Value + Send + Sync>;

/// How the conformance kit judges a library.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    /// Where it can listen afresh each time.
    pub addresses: &'static [&'static str],
    /// The clock that it runs under.
    pub clock: Clock,
}

/// A runtime's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's.
    Real,
    /// Moves on when nothing else is to do: simulated libraries live in virtual time.
    Paused,
}

/// Linux alone has io_uring.
const HAS_URING: bool = cfg!(target_os = "linux");
/// The libraries of this build that reach other processes; `auto` is one of the others.
const REAL: &[&str] = if HAS_URING { &["auto", "tokio", "uring"] } else { &["auto", "tokio"] };
/// The libraries of this build that live inside one process.
const SIMULATED: &[&str] = &["sim", "sim-streams"];
/// The libraries of this build that carry streams, and no byte streams.
const STREAMS: &[&str] = &["quinn", "s2n"];
/// Libraries that Dipole has, but not in this build.
const ABSENT: &[&str] = &["uring"];

/// The names of the libraries of this build that reach other processes.
#[must_use]
pub fn names() -> &'static [&'static str] {
    REAL
}

/// The names of the libraries of this build that carry streams over UDP, for HTTP/3.
#[must_use]
pub fn names_of_streams() -> &'static [&'static str] {
    STREAMS
}

/// The names of the libraries of this build that live inside one process, and are judged alone.
#[must_use]
pub fn simulated_names() -> &'static [&'static str] {
    SIMULATED
}

/// The library that is used where none is asked for, such as for the command's own needs.
#[must_use]
pub fn default() -> Network {
    tokio()
}

/// The library of this name that reaches other processes.
///
/// # Errors
/// The name is not one of a library, or of one that is not part of this build.
pub fn find(name: &str) -> Result<Network, Failure> {
    if SIMULATED.contains(&name) {
        return Err(Failure::Job(format!(
            "network library '{name}' lives inside one process and reaches no other; there are: {}",
            list(REAL)
        )));
    }
    if STREAMS.contains(&name) {
        return Err(Failure::Job(format!(
            "network library '{name}' carries streams, which HTTP/3 takes (--http3); there are: {}",
            list(REAL)
        )));
    }
    any(name)?.ok_or_else(|| missing(name, REAL))
}

/// What listens for a server: byte streams, and streams beside them where HTTP/3 is asked for.
#[derive(Clone)]
pub struct Listening {
    /// For HTTP/1.1 and HTTP/2.
    pub network: Network,
    /// For HTTP/3, which is secured by itself.
    pub quic: Option<Quic>,
}

/// A QUIC library, under its name.
#[derive(Clone)]
pub struct Quic {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its listening half.
    pub transport: Arc<dyn Transport>,
}

impl Listening {
    /// What `--network NAME` means: the library of byte streams, or the QUIC library where HTTP/3
    /// is asked for and NAME is one. `tls` is what `--http3` listens with; `None` is without it.
    ///
    /// # Errors
    /// As [`find`].
    pub fn of(name: &str, http3: Option<&ServerTls>) -> Result<Self, Failure> {
        let Some(tls) = http3 else { return Ok(Self { network: find(name)?, quic: None }) };
        let (network, (name, listen)) = match QUIC.iter().find(|(known, _)| *known == name) {
            Some(quic) => (default(), quic),
            None => (find(name)?, &QUIC[0]),
        };
        Ok(Self { network, quic: Some(Quic { name, transport: listen(tls) }) })
    }
}

/// Makes a library's listening half, with these certificates.
type Listens = fn(&ServerTls) -> Arc<dyn Transport>;

/// The QUIC libraries of this build, the default one first, and how each listens.
const QUIC: &[(&str, Listens)] = &[
    ("quinn", |tls| Arc::new(Quinn::server(tls.clone()))),
    ("s2n", |tls| Arc::new(S2n::server(tls.clone()))),
];

/// The library of this name, simulated or not.
///
/// # Errors
/// As [`find`].
pub fn find_any(name: &str) -> Result<Network, Failure> {
    any(name)?.ok_or_else(|| missing(name, &[REAL, STREAMS, SIMULATED].concat()))
}

fn any(name: &str) -> Result<Option<Network>, Failure> {
    Ok(match name {
        "auto" => {
            let choice = Choice::here();
            // On stderr: stdout is the command's answer.
            eprintln!("dipole: network library {}: {}", choice.name, choice.reason);
            any(choice.name)?
        }
        "tokio" => Some(tokio()),
        #[cfg(target_os = "linux")]
        "uring" => Some(uring()?),
        "quinn" => Some(quinn()?),
        "s2n" => Some(s2n()?),
        "sim" => {
            let sim = SimNetwork::default();
            Some(Network {
                name: "sim",
                transport: Arc::new(sim.clone()),
                dialer: Arc::new(sim),
                judged: Judged { addresses: &["sim:alpha:0"], clock: Clock::Paused },
                figures: None,
            })
        }
        "sim-streams" => {
            let streams = SimNetwork::default().streams();
            Some(Network {
                name: "sim-streams",
                transport: Arc::new(streams.clone()),
                dialer: Arc::new(streams),
                judged: Judged { addresses: &["sim:alpha:0"], clock: Clock::Paused },
                figures: None,
            })
        }
        _ => None,
    })
}

/// The library beside the byte streams of this name that carries its connections of streams; `None`
/// where there is none.
#[must_use]
pub fn beside(name: &str) -> Option<&'static str> {
    (name == "sim").then_some("sim-streams")
}

/// The network libraries of a client: that of byte streams and that of HTTP/3, by the name of either.
#[must_use]
pub fn pair(name: &str) -> (&str, &str) {
    if STREAMS.contains(&name) { (default().name, name) } else { (name, STREAMS[0]) }
}

/// The library of this name that carries HTTP/3, for a client that trusts as `tls` says.
///
/// # Errors
/// The name is not one of them.
pub fn streams(name: &str, tls: ClientTls) -> Result<Arc<dyn Dialer>, Failure> {
    match name {
        "quinn" => Ok(Arc::new(Quinn::client(tls))),
        "s2n" => Ok(Arc::new(S2n::client(tls))),
        _ => Err(missing(name, STREAMS)),
    }
}

/// QUIC with a certificate for this machine that lasts as long as the command may.
fn quinn() -> Result<Network, Failure> {
    let (server, client) = certified().map_err(Failure::job)?;
    let quinn = Quinn::new(server, client);
    Ok(Network {
        name: "quinn",
        transport: Arc::new(quinn.clone()),
        dialer: Arc::new(quinn),
        judged: Judged { addresses: &["127.0.0.1:0", "[::1]:0"], clock: Clock::Real },
        figures: None,
    })
}

/// The same on s2n-quic.
fn s2n() -> Result<Network, Failure> {
    let (server, client) = certified().map_err(Failure::job)?;
    let s2n = S2n::new(server, client);
    Ok(Network {
        name: "s2n",
        transport: Arc::new(s2n.clone()),
        dialer: Arc::new(s2n),
        judged: Judged { addresses: &["127.0.0.1:0", "[::1]:0"], clock: Clock::Real },
        figures: None,
    })
}

/// Both ends of TLS on this machine, by an authority that nobody else knows.
fn certified() -> dipole::net::Result<(ServerTls, ClientTls)> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    let authority = Authority::new("dipole conformance", now - DAY..now + DAY)?;
    let issued = authority.issue(&["localhost", "127.0.0.1", "::1"], now - DAY..now + DAY)?;
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    Ok((ServerTls::new(&ServerTlsOptions::new(issued.identity))?, ClientTls::new(&trust)?))
}

/// What `auto` means on this machine, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The library's name.
    pub name: &'static str,
    /// A few words for people.
    pub reason: String,
}

impl Choice {
    /// For this machine.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn here() -> Self {
        match Probe::gather().obstacle() {
            None => Self { name: "uring", reason: "this kernel allows all that it needs".into() },
            Some(obstacle) => Self { name: "tokio", reason: obstacle },
        }
    }

    /// For this machine.
    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn here() -> Self {
        Self { name: "tokio", reason: "io_uring is Linux's alone".into() }
    }
}

#[cfg(target_os = "linux")]
fn uring() -> Result<Network, Failure> {
    let uring = Uring::new().map_err(|error| Failure::Job(error.to_string()))?;
    let counting = uring.clone();
    Ok(Network {
        name: "uring",
        transport: Arc::new(uring.clone()),
        dialer: Arc::new(uring),
        judged: Judged { addresses: &["127.0.0.1:0", "[::1]:0"], clock: Clock::Real },
        figures: Some(Arc::new(move || figures(counting.counters()))),
    })
}

#[cfg(target_os = "linux")]
fn figures(counters: Counters) -> Value {
    json!({
        "system_calls": counters.enters,
        "turns": counters.turns,
        "submissions": counters.submissions,
        "completions": counters.completions,
        "out_of_buffers": counters.out_of_buffers,
        "copied_bytes": counters.copied,
        "zero_copy_sends": counters.zero_copy_sends,
        "zero_copies_copied": counters.zero_copies_copied,
        "buffers_out": counters.buffers_out,
        "operations": counters.operations,
        "batch": counters.batch(),
    })
}

fn tokio() -> Network {
    let tokio = Tokio::new();
    Network {
        name: "tokio",
        transport: Arc::new(tokio.clone()),
        dialer: Arc::new(tokio),
        judged: Judged { addresses: &["127.0.0.1:0", "[::1]:0"], clock: Clock::Real },
        figures: None,
    }
}

fn missing(name: &str, there: &[&str]) -> Failure {
    let there = list(there);
    if ABSENT.contains(&name) {
        return Failure::Job(format!(
            "network library '{name}' is not part of this build; there are: {there}"
        ));
    }
    Failure::Usage(format!("there is no network library '{name}'; there are: {there}"))
}

fn list(names: &[&str]) -> String {
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_this_build_is_found() {
        for name in [REAL, STREAMS, SIMULATED].concat() {
            match find_any(name) {
                Ok(network) if name == "auto" => assert_eq!(network.name, Choice::here().name),
                Ok(network) => assert_eq!(network.name, name),
                // Where the machine does not allow it, that is what is said.
                Err(failure) => assert!(name == "uring" && matches!(failure, Failure::Job(_))),
            }
        }
    }

    #[test]
    fn a_name_of_another_build_is_no_wrong_usage() {
        #[cfg(not(target_os = "linux"))]
        assert!(matches!(find("uring"), Err(Failure::Job(_))));
        assert!(matches!(find("epol"), Err(Failure::Usage(_))));
        assert!(matches!(find("sim"), Err(Failure::Job(_))));
        assert!(matches!(find("quinn"), Err(Failure::Job(_))));
        assert!(matches!(find("s2n"), Err(Failure::Job(_))));
    }
}
