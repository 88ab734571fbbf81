//! How long something takes, and how much of that is the machine's doing.

use std::time::Duration;

use tokio::time::Instant;

use crate::process::waited_for_a_core;

/// Measures from its start on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    begin: Instant,
    begin_of_the_machine: std::time::Instant,
    waited: Duration,
}

/// A time that was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    /// By tokio's clock.
    pub(crate) time: Duration,
    /// For how long of it threads of this process could have run, but others had the cores: that is
    /// no library's fault. Zero on a paused clock, where it makes nothing late, and where the
    /// operating system does not tell.
    pub(crate) starved: Duration,
}

impl Stopwatch {
    /// Measures from now on.
    pub(crate) fn start() -> Self {
        Self {
            begin: Instant::now(),
            begin_of_the_machine: std::time::Instant::now(),
            waited: waited_for_a_core().unwrap_or_default(),
        }
    }

    /// How long it has taken so far.
    pub(crate) fn took(&self) -> Took {
        let time = self.begin.elapsed();
        let really = self.begin_of_the_machine.elapsed();
        let starved = match really < time.mul_f32(0.9) {
            true => Duration::ZERO,
            false => waited_for_a_core().unwrap_or_default().saturating_sub(self.waited),
        };
        Took { time, starved: starved.min(really) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_starved_on_a_paused_clock() {
        let watch = Stopwatch::start();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let took = watch.took();
        assert!(took.time >= Duration::from_secs(3600));
        assert_eq!(took.starved, Duration::ZERO);
    }

    #[tokio::test]
    async fn threads_without_a_core_are_starved() {
        let watch = Stopwatch::start();
        // More threads than the machine has cores, whatever it grants this process, each busy for so long
        // that they have to take turns.
        let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cores = known.lines().filter(|line| line.starts_with("processor")).count().max(1);
        let busy = || {
            let begin = std::time::Instant::now();
            while begin.elapsed() < Duration::from_millis(200) {
                std::hint::spin_loop();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..cores * 2 {
                scope.spawn(busy);
            }
            while watch.begin_of_the_machine.elapsed() < Duration::from_millis(150) {
                std::thread::yield_now();
            }
            if waited_for_a_core().is_some() {
                assert!(watch.took().starved > Duration::ZERO);
            }
        });
    }
}
