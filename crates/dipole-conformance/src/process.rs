//! What the operating system says of this process: the view from outside of a library's claims.
//!
//! Linux alone says it; elsewhere each is `None`, and a case leaves that part out. The numbers are
//! of the whole process, so nothing else may run beside a judgement.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

/// Descriptors that are open, without the one that counts them.
pub(crate) fn open_descriptors() -> Option<usize> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1))
}

/// Memory of this process that is in RAM, in bytes.
pub(crate) fn resident_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// For how long this process's threads, taken together, could have run, but had no core.
pub(crate) fn waited_for_a_core() -> Option<Duration> {
    let mut waited = 0;
    for task in fs::read_dir("/proc/self/task").ok()? {
        // A thread that has ended meanwhile has nothing to tell.
        let Ok(line) = fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
        // Time on a core, time without one, in nanoseconds, and the number of turns.
        let nanoseconds: u64 = line.split(' ').nth(1)?.parse().ok()?;
        waited += nanoseconds;
    }
    Some(Duration::from_nanos(waited))
}

/// Tasks of the current runtime that have not ended.
pub(crate) fn live_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Raises the limit of open descriptors as far as this process may, and gives it; `None` is no
/// limit.
pub(crate) fn raise_descriptor_limit() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Refused, it stays as it is: the caller makes do with what there is.
        let raised = Rlimit { current: limit.maximum, ..limit };
        _ = setrlimit(Resource::Nofile, raised);
    }
    getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok())
}

/// Waits until `measure` gives at most `bound`, for some seconds at most, since a library may tidy
/// up in tasks of its own; gives the last measure. `None` where it cannot be measured.
pub(crate) async fn settled(
    bound: usize,
    mut measure: impl FnMut() -> Option<usize>,
) -> Option<usize> {
    let begin = Instant::now();
    loop {
        let seen = measure()?;
        if seen <= bound || begin.elapsed() > Duration::from_secs(15) {
            return Some(seen);
        }
        sleep(Duration::from_millis(5)).await;
    }
}
