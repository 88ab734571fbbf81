//! What this kernel, its settings, a container and the limits allow.

use std::io;
use std::os::fd::AsFd;

use io_uring::opcode;
use rustix::event::{EventfdFlags, eventfd};

use crate::ring::{Linux, Ring, Sizes};

/// What was found, feature by feature.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Probe {
    /// The features that were looked for; those after the first that failed may be unknown.
    pub features: Vec<Feature>,
}

/// One feature of the kernel's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Feature {
    /// What it is called.
    pub name: &'static str,
    /// Whether the library works without it.
    pub need: Need,
    /// What was found.
    pub finding: Finding,
}

/// Whether the library works without a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It does not.
    Required,
    /// It does, and costs more then.
    Optional,
}

/// What was found of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// It works here.
    There,
    /// It does not, and why.
    Missing(String),
    /// Something before it failed, so that it could not be tried.
    Unknown,
}

/// The operations that the kernel is asked for.
const OPERATIONS: [(&str, u8, Need); 6] = [
    ("accept", opcode::AcceptMulti::CODE, Need::Required),
    ("connect", opcode::Connect::CODE, Need::Required),
    ("send", opcode::Send::CODE, Need::Required),
    ("receive", opcode::RecvMulti::CODE, Need::Required),
    ("zero-copy send", opcode::SendZc::CODE, Need::Optional),
    ("zero-copy send of several pieces", opcode::SendMsgZc::CODE, Need::Optional),
];

impl Probe {
    /// Tries each feature.
    #[must_use]
    pub fn gather() -> Self {
        const RING: &str = "ring (SINGLE_ISSUER, DEFER_TASKRUN), Linux 6.1";
        const BUFFERS: &str = "ring of provided buffers, Linux 5.19";
        let mut features = Vec::new();
        let mut add = |name, need, finding| features.push(Feature { name, need, finding });
        let kernel = eventfd(0, EventfdFlags::CLOEXEC)
            .map_err(io::Error::from)
            .and_then(|eventfd| Linux::new(8, eventfd.as_fd()));
        let kernel = match kernel {
            Ok(kernel) => {
                add(RING, Need::Required, Finding::There);
                kernel
            }
            Err(error) => {
                add(RING, Need::Required, Finding::Missing(explain(&error)));
                add(BUFFERS, Need::Required, Finding::Unknown);
                for (name, _, need) in OPERATIONS {
                    add(name, need, Finding::Unknown);
                }
                return Self { features };
            }
        };
        let known = kernel.knows(OPERATIONS.map(|(_, number, _)| number));
        let sizes = Sizes { buffers: 2, buffer: 4096, first: 1 };
        match Ring::new(kernel, sizes) {
            Ok(_) => add(BUFFERS, Need::Required, Finding::There),
            Err(error) => add(BUFFERS, Need::Required, Finding::Missing(explain(&error))),
        }
        for (index, (name, _, need)) in OPERATIONS.into_iter().enumerate() {
            let finding = match &known {
                Ok(known) if known[index] => Finding::There,
                Ok(_) => Finding::Missing("this kernel does not have it".into()),
                Err(error) => Finding::Missing(explain(error)),
            };
            add(name, need, finding);
        }
        Self { features }
    }

    /// Why the library cannot work here; `None` when it can.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        self.features.iter().find_map(|feature| match (&feature.finding, feature.need) {
            (Finding::Missing(reason), Need::Required) => {
                Some(format!("io_uring cannot be used here: {}: {reason}", feature.name))
            }
            _ => None,
        })
    }
}

/// What to do about it, where the number tells.
fn explain(error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::ENOSYS) => {
            "this kernel has no io_uring, or a container's seccomp filter hides it"
        }
        Some(libc::EPERM) => {
            "forbidden by a container's seccomp filter, or by the sysctl kernel.io_uring_disabled"
        }
        Some(libc::EINVAL) => "this kernel is too old",
        Some(libc::ENOMEM) => "the limit of locked memory is too low: see `ulimit -l`",
        Some(libc::EMFILE | libc::ENFILE) => "no descriptor is left",
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}
