//! A runtime that drives network libraries' own event sources.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Driver, Transport};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// A runtime of one thread, with the event sources that network libraries have beside it.
///
/// A worker of a server is one. Whoever runs connections of such a library on a thread of their own
/// may use it too; on other runtimes the library works without, and slower.
pub struct DrivenRuntime {
    /// There until the end.
    runtime: Option<LocalRuntime>,
    drivers: Vec<Arc<dyn Driver>>,
}

impl DrivenRuntime {
    /// A runtime of this thread's, with all that tokio's has, that drives these libraries here.
    ///
    /// # Errors
    /// The runtime or an event source cannot be made.
    pub fn new<'a>(
        transports: impl IntoIterator<Item = &'a Arc<dyn Transport>>,
    ) -> dipole_net::Result<Self> {
        let mut drivers = Vec::new();
        for transport in transports {
            drivers.extend(transport.driver()?);
        }
        let runtime = driven_by(&drivers)?;
        runtime.block_on(async { drivers.iter().for_each(|driver| driver.start()) });
        Ok(Self { runtime: Some(runtime), drivers })
    }

    /// Runs a future to its end, and other tasks meanwhile.
    ///
    /// # Panics
    /// In a runtime, as tokio's `block_on` does.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.as_ref().expect("it is there until the end").block_on(future)
    }

    /// Ends it; blocking calls that tasks have made are waited for as long as `grace`. Dropping it does
    /// the same without such an end.
    pub fn end(mut self, grace: Duration) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(grace);
        }
    }
}

impl Drop for DrivenRuntime {
    fn drop(&mut self) {
        // First the tasks and their connections, then what these stood on.
        self.runtime = None;
        self.drivers.iter().for_each(|driver| driver.stop());
    }
}

fn driven_by(drivers: &[Arc<dyn Driver>]) -> io::Result<LocalRuntime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all();
    if !drivers.is_empty() {
        let (parking, unparking) = (drivers.to_vec(), drivers.to_vec());
        builder.on_thread_park(move || parking.iter().for_each(|driver| driver.park()));
        builder.on_thread_unpark(move || unparking.iter().for_each(|driver| driver.unpark()));
    }
    builder.build_local(LocalOptions::default())
}
