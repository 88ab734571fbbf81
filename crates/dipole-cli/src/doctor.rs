//! `dipole doctor`: what this build has and what this machine allows.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::thread::available_parallelism;

use dipole::quinn::Offload;
use serde_json::json;

use crate::args::DoctorArgs;
use crate::networks::Choice;
use crate::output::print;
use crate::{Failure, networks};

/// Prints what there is to say.
pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let findings = Findings::gather();
    print(&if args.json { findings.json() } else { findings.text() })?;
    Ok(ExitCode::SUCCESS)
}

struct Findings {
    version: &'static str,
    system: String,
    cores: Option<usize>,
    networks: &'static [&'static str],
    /// The libraries for HTTP/3.
    streams: &'static [&'static str],
    /// The libraries for `dipole conformance` alone.
    simulated: &'static [&'static str],
    /// What `--network auto` would pick.
    auto: Choice,
    io_uring: Vec<Feature>,
    /// How much memory the process may lock, in bytes.
    locked_memory: Option<Limits>,
    /// What UDP sockets do for QUIC, or why there are none.
    udp_offload: Result<Offload, String>,
    /// How many descriptors the process may have open, now and at most.
    descriptors: Option<Limits>,
}

/// A feature of the kernel's that a network library uses.
struct Feature {
    name: &'static str,
    /// False for one that the library works without.
    is_required: bool,
    /// Why it is not there; `None` where it is.
    missing: Option<String>,
}

/// A limit of the process; `None` is no limit.
struct Limits {
    now: Option<u64>,
    at_most: Option<u64>,
}

impl Findings {
    fn gather() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            system: system(),
            cores: available_parallelism().ok().map(usize::from),
            networks: networks::names(),
            streams: networks::names_of_streams(),
            simulated: networks::simulated_names(),
            auto: Choice::here(),
            io_uring: io_uring(),
            locked_memory: locked_memory(),
            udp_offload: Offload::probe().map_err(|error| error.to_string()),
            descriptors: descriptors(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("dipole        {}\nsystem        {}\n", self.version, self.system);
        let cores = self.cores.map_or("unknown".into(), |cores| cores.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "cores         {cores}");
        let _ = writeln!(text, "networks      {}", self.networks.join(", "));
        let _ = writeln!(text, "HTTP/3        {}", self.streams.join(", "));
        let _ = writeln!(text, "simulated     {}", self.simulated.join(", "));
        let _ = writeln!(text, "auto          {}: {}", self.auto.name, self.auto.reason);
        for (index, feature) in self.io_uring.iter().enumerate() {
            let label = if index == 0 { "io_uring" } else { "" };
            let finding = match (&feature.missing, feature.is_required) {
                (None, _) => "yes",
                (Some(reason), true) => &format!("NO: {reason}"),
                (Some(reason), false) => &format!("no, and does without: {reason}"),
            };
            let _ = writeln!(text, "{label:<13} {}: {finding}", feature.name);
        }
        let limit = |limit: Option<u64>| limit.map_or("unlimited".into(), |n| n.to_string());
        if let Some(Limits { now, at_most }) = &self.locked_memory {
            let (now, at_most) = (limit(*now), limit(*at_most));
            let _ = writeln!(text, "locked memory {now} bytes (at most {at_most})");
        }
        let _ = match &self.udp_offload {
            Ok(offload) => writeln!(
                text,
                "UDP offload   {}; {}",
                datagrams("sends", offload.send, "GSO"),
                datagrams("receives", offload.receive, "GRO")
            ),
            Err(reason) => writeln!(text, "UDP offload   no UDP socket: {reason}"),
        };
        match &self.descriptors {
            None => text.push_str("descriptors   unknown\n"),
            Some(Limits { now, at_most }) => {
                let (now_text, at_most_text) = (limit(*now), limit(*at_most));
                let _ = writeln!(text, "descriptors   {now_text} (at most {at_most_text})");
                if now.is_some_and(|now| now < 10_000) {
                    text.push_str(
                        "              each connection needs one: raise it with `ulimit -n`\n",
                    );
                }
            }
        }
        text
    }

    fn json(&self) -> String {
        let object = json!({
            "version": self.version,
            "system": self.system,
            "cores": self.cores,
            "networks": self.networks,
            "streams": self.streams,
            "simulated": self.simulated,
            "auto": {"name": self.auto.name, "reason": self.auto.reason},
            "io_uring": self.io_uring.iter().map(|feature| json!({
                "name": feature.name,
                "required": feature.is_required,
                "there": feature.missing.is_none(),
                "reason": feature.missing,
            })).collect::<Vec<_>>(),
            "locked_memory": self.locked_memory.as_ref().map(|Limits { now, at_most }| {
                json!({"now": now, "at_most": at_most})
            }),
            "udp_offload": self.udp_offload.as_ref().ok().map(|offload| {
                json!({"send": offload.send, "receive": offload.receive})
            }),
            "descriptors": self.descriptors.as_ref().map(|Limits { now, at_most }| {
                json!({"now": now, "at_most": at_most})
            }),
        });
        format!("{object}\n")
    }
}

/// How many datagrams a call carries, in words.
fn datagrams(does: &str, count: usize, what: &str) -> String {
    match count {
        0 | 1 => format!("{does} one datagram a call (no {what})"),
        count => format!("{does} up to {count} datagrams a call ({what})"),
    }
}

#[cfg(unix)]
fn system() -> String {
    let name = rustix::system::uname();
    let [system, release, machine] =
        [name.sysname(), name.release(), name.machine()].map(|part| part.to_string_lossy());
    format!("{system} {release} {machine}")
}

#[cfg(not(unix))]
fn system() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(unix)]
fn descriptors() -> Option<Limits> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Some(Limits { now: limit.current, at_most: limit.maximum })
}

#[cfg(not(unix))]
fn descriptors() -> Option<Limits> {
    None
}

#[cfg(target_os = "linux")]
fn io_uring() -> Vec<Feature> {
    use dipole::uring::{Finding, Need, Probe};

    let feature = |found: dipole::uring::Feature| Feature {
        name: found.name,
        is_required: found.need == Need::Required,
        missing: match found.finding {
            Finding::There => None,
            Finding::Missing(reason) => Some(reason),
            _ => Some("could not be tried".into()),
        },
    };
    Probe::gather().features.into_iter().map(feature).collect()
}

#[cfg(not(target_os = "linux"))]
fn io_uring() -> Vec<Feature> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn locked_memory() -> Option<Limits> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock);
    Some(Limits { now: limit.current, at_most: limit.maximum })
}

#[cfg(not(target_os = "linux"))]
fn locked_memory() -> Option<Limits> {
    None
}
