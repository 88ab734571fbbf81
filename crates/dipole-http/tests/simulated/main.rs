//! The server and the client of this crate, on HTTP/1.1, HTTP/2 and HTTP/3, run by run, each under
//! a seed of its own and under faults: delays, cut streams, lost packets, resets, truncation, partitions, crashes.
//!
//! In each run every answer is right or an error, nothing hangs, and nothing is left at its end.
//!
//! ```text
//! cargo test -p dipole-http --test simulated                      # some hundred runs
//! cargo test -p dipole-http --test simulated -- --runs 10000      # seeds 0 to 9999
//! cargo test -p dipole-http --test simulated -- --seed 4711       # one, with its log
//! ```

mod arguments;
mod client;
mod faults;
mod run;
mod service;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use arguments::{Arguments, parse};
use run::{Outcome, run};

/// Runs that have failed once; each stays.
const REGRESSIONS: &[u64] = &[];

/// The runs of an ordinary `cargo test`.
const FEW: u64 = 200;

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Arguments::Nothing => ExitCode::SUCCESS,
        Arguments::One(seed) => {
            println!("{:?}", run(seed, true));
            ExitCode::SUCCESS
        }
        Arguments::Runs(runs) => all(runs),
    }
}

/// On as many threads as there are cores: a run has a thread of its own.
fn all(runs: u64) -> ExitCode {
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut sum = Outcome::default();
        loop {
            let index = next.fetch_add(1, Relaxed);
            let seed = match REGRESSIONS.get(index as usize) {
                Some(seed) => *seed,
                None => index - REGRESSIONS.len() as u64,
            };
            if seed >= runs && index >= REGRESSIONS.len() as u64 {
                return sum;
            }
            sum += run(seed, false);
        }
    };
    let sums: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut sum = Outcome::default();
    for ended in sums {
        match ended {
            Ok(part) => sum += part,
            // The run has said which seed it was.
            Err(_) => return ExitCode::FAILURE,
        }
    }
    println!("{runs} simulated runs: {sum}; {:.1?}", begin.elapsed());
    // Faults so heavy that little is right, or so light that nothing fails, would show nothing.
    let telling = sum.right > sum.failed && sum.failed > 0;
    if telling { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
