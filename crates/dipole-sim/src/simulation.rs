//! Running a scenario under a seed.

use std::time::Duration;

use tokio::time::timeout;

use crate::{Config, Network};

/// One run of a scenario: a network under a seed, a runtime of one thread whose clock is virtual,
/// and a limit of virtual time.
///
/// When the scenario panics or does not end, the seed is written to stderr; the same seed gives the
/// same run again, event by event, as long as all chance in the scenario comes from the seed.
///
/// ```
/// use std::time::Duration;
///
/// use dipole_net::{ConnExt, DialerExt, ListenOptions, Transport};
/// use dipole_sim::{Config, Simulation};
///
/// for seed in 0..10 {
///     Simulation::new(Config::far(seed, 0.1)).run(|network| async move {
///         let addr = "sim:beta:80".parse().expect("an address");
///         let listeners = network.at("beta").listen(&addr, &ListenOptions::default())?;
///         network.partition(&["alpha"], &["beta"]);
///         let dial = network.at("alpha").dial_timeout(&addr, Some(Duration::from_secs(5))).await;
///         assert!(dial.is_err_and(|error| error.is_timeout()));
///         drop(listeners);
///         Ok::<_, dipole_net::Error>(())
///     }).expect("beta can listen");
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Simulation {
    config: Config,
    limit: Duration,
}

/// A day of virtual time.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Simulation {
    /// A run under the seed of `config`, which is how its network behaves.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, limit: LIMIT }
    }

    /// The most virtual time that the scenario may take; a day, unless said. A scenario in which
    /// everybody waits for ever comes to it at once.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the scenario to its end, in virtual time, and drops all that it has spawned.
    ///
    /// # Panics
    /// When the scenario does, and when it passes its limit; within a tokio runtime.
    pub fn run<S, F>(&self, scenario: S) -> F::Output
    where
        S: FnOnce(Network) -> F,
        F: Future,
    {
        let seed = self.config.seed;
        let _says_seed = SaysSeed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs nothing that can be missing");
        runtime.block_on(async {
            let scenario = scenario(Network::new(self.config.clone()));
            match timeout(self.limit, scenario).await {
                Ok(output) => output,
                Err(_) => panic!("did not end within {:?} of virtual time", self.limit),
            }
        })
    }
}

/// Says the seed when it is dropped by a panic.
struct SaysSeed(u64);

impl Drop for SaysSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(seed) = self;
            eprintln!("the simulation failed; seed {seed} replays it");
        }
    }
}
