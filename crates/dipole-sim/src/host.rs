//! A host with a program that runs on it.

use std::fmt;
use std::sync::Arc;

use dipole_net::BoxFuture;
use tokio::task::JoinHandle;

use crate::Network;

/// A host that runs a program: a crash ends the program where it stands, a restart begins it anew.
///
/// The program gets the network as seen from its host, so that its dials come from there. A crash
/// drops its future; tasks that it has spawned live on without their connections, so a program
/// keeps them in a `tokio::task::JoinSet`, which ends them when it is dropped. Dropping the host
/// ends the program and leaves the host's places as they are.
pub struct Host {
    network: Network,
    name: Arc<str>,
    program: Box<dyn Fn(Network) -> BoxFuture<'static, ()> + Send + Sync>,
    running: Option<JoinHandle<()>>,
}

impl Network {
    /// Begins `program` on the host `name`, on the caller's runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn host<P, F>(&self, name: &str, program: P) -> Host
    where
        P: Fn(Self) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let network = self.at(name);
        let program = move |network| Box::pin(program(network)) as BoxFuture<'static, ()>;
        let mut host =
            Host { name: name.into(), program: Box::new(program), running: None, network };
        host.begin();
        host
    }
}

impl Host {
    /// The host goes down: see [`Network::crash`]. Twice is fine.
    ///
    /// The program is dropped when the runtime next comes to it; from now on nobody hears of it.
    pub fn crash(&mut self) {
        self.network.crash(&self.name);
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }

    /// The host is up again, and its program begins anew; first it crashes, where it is up.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn restart(&mut self) {
        self.crash();
        self.network.restart(&self.name);
        self.begin();
    }

    /// True once the program has come to its end, well or by a panic.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.running.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Waits for the program's end; for ever where the host is down.
    ///
    /// # Panics
    /// With the program's own panic.
    pub async fn finished(&mut self) {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        match running.await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => self.running = None,
        }
    }

    fn begin(&mut self) {
        self.running = Some(tokio::spawn((self.program)(self.network.clone())));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("name", &self.name).finish_non_exhaustive()
    }
}
