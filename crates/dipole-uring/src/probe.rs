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

/// What is probed: this machine, or one made up.
trait Machine {
    /// Makes a ring.
    fn ring(&mut self) -> io::Result<()>;
    /// Gives the ring that was made its buffers.
    fn buffers(&mut self) -> io::Result<()>;
    /// Which of the operations the ring that was made knows.
    fn knows(&mut self) -> io::Result<[bool; OPERATIONS.len()]>;
}

/// This machine.
#[derive(Default)]
struct Here {
    kernel: Option<Linux>,
}

impl Here {
    fn kernel(&mut self) -> io::Result<&mut Linux> {
        self.kernel.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Machine for Here {
    fn ring(&mut self) -> io::Result<()> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC)?;
        self.kernel = Some(Linux::new(8, eventfd.as_fd())?);
        Ok(())
    }

    fn buffers(&mut self) -> io::Result<()> {
        let kernel = self.kernel.take().ok_or(io::ErrorKind::NotFound)?;
        Ring::new(kernel, Sizes { buffers: 2, buffer: 4096, first: 1 }).map(drop)
    }

    fn knows(&mut self) -> io::Result<[bool; OPERATIONS.len()]> {
        self.kernel()?.knows(OPERATIONS.map(|(_, number, _)| number))
    }
}

impl Probe {
    /// Tries each feature.
    #[must_use]
    pub fn gather() -> Self {
        Self::of(&mut Here::default())
    }

    fn of(machine: &mut dyn Machine) -> Self {
        const RING: &str = "ring (SINGLE_ISSUER, DEFER_TASKRUN), Linux 6.1";
        const BUFFERS: &str = "ring of provided buffers, Linux 5.19";
        let mut features = Vec::new();
        let mut add = |name, need, finding| features.push(Feature { name, need, finding });
        let found = |tried: io::Result<()>| match tried {
            Ok(()) => Finding::There,
            Err(error) => Finding::Missing(explain(&error)),
        };
        let ring = found(machine.ring());
        let has_ring = ring == Finding::There;
        add(RING, Need::Required, ring);
        let known = has_ring.then(|| machine.knows());
        let buffers = if has_ring { found(machine.buffers()) } else { Finding::Unknown };
        add(BUFFERS, Need::Required, buffers);
        for (index, (name, _, need)) in OPERATIONS.into_iter().enumerate() {
            let finding = match &known {
                None => Finding::Unknown,
                Some(Ok(known)) if known[index] => Finding::There,
                Some(Ok(_)) => Finding::Missing("this kernel does not have it".into()),
                Some(Err(error)) => Finding::Missing(explain(error)),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails with these error numbers; knows all operations but those at these places.
    #[derive(Default)]
    struct MadeUp {
        ring: Option<i32>,
        buffers: Option<i32>,
        unknown: &'static [usize],
    }

    fn result(number: Option<i32>) -> io::Result<()> {
        number.map_or(Ok(()), |number| Err(io::Error::from_raw_os_error(number)))
    }

    impl Machine for MadeUp {
        fn ring(&mut self) -> io::Result<()> {
            result(self.ring)
        }

        fn buffers(&mut self) -> io::Result<()> {
            result(self.buffers)
        }

        fn knows(&mut self) -> io::Result<[bool; OPERATIONS.len()]> {
            Ok(std::array::from_fn(|index| !self.unknown.contains(&index)))
        }
    }

    fn obstacle(mut machine: MadeUp) -> Option<String> {
        Probe::of(&mut machine).obstacle()
    }

    #[test]
    fn a_machine_that_has_everything_has_no_obstacle() {
        assert_eq!(obstacle(MadeUp::default()), None);
    }

    #[test]
    fn what_forbids_a_ring_is_said_with_what_to_look_at() {
        for (number, hint) in [
            (libc::EPERM, "kernel.io_uring_disabled"),
            (libc::EPERM, "seccomp"),
            (libc::ENOSYS, "no io_uring"),
            (libc::EINVAL, "too old"),
            (libc::ENOMEM, "ulimit -l"),
            (libc::EMFILE, "no descriptor is left"),
        ] {
            let machine = MadeUp { ring: Some(number), ..MadeUp::default() };
            let text = obstacle(machine).expect("there is no ring");
            assert!(text.starts_with("io_uring cannot be used here: ring"), "{text}");
            assert!(text.contains(hint), "{text} does not speak of {hint}");
        }
    }

    #[test]
    fn without_a_ring_nothing_else_is_known() {
        let mut machine = MadeUp { ring: Some(libc::EPERM), ..MadeUp::default() };
        let probe = Probe::of(&mut machine);
        assert_eq!(probe.features.len(), 2 + OPERATIONS.len());
        assert!(probe.features[1..].iter().all(|feature| feature.finding == Finding::Unknown));
    }

    #[test]
    fn what_is_required_and_missing_is_an_obstacle_and_what_is_optional_is_none() {
        let no_memory = MadeUp { buffers: Some(libc::ENOMEM), ..MadeUp::default() };
        assert!(obstacle(no_memory).is_some_and(|text| text.contains("provided buffers")));
        for (place, (name, _, need)) in OPERATIONS.into_iter().enumerate() {
            let unknown: &'static [usize] = Box::leak(Box::new([place]));
            let text = obstacle(MadeUp { unknown, ..MadeUp::default() });
            assert_eq!(text.is_some(), need == Need::Required, "{name}: {text:?}");
        }
    }
}
