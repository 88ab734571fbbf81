//! One run: a server, clients on hosts of their own, and what befalls them.

use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use dipole_http::{Client, ClientConfig, ProtocolChoice, Server, ServerHandle};
use dipole_layers::LayerExt;
use dipole_net::Dialer;
use dipole_sim::{Network, Simulation};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::ask;
use crate::faults::{Chance, layer, network};
use crate::service::service;

/// How the requests of a run ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// With the right answer.
    pub(crate) right: u64,
    /// With an error, or given up.
    pub(crate) failed: u64,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.failed += other.failed;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests answered rightly, {} with an error", self.right, self.failed)
    }
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// The run of this seed; panics where something is not as it should be. With `log` it writes what
/// has happened on the network.
pub(crate) fn run(seed: u64, log: bool) -> Outcome {
    Simulation::new(network(seed)).limit(WEEK).run(async |network| {
        if log {
            network.begin_log();
        }
        let says = log.then(|| SaysLog(network.clone()));
        let outcome = world(seed, &network).await;
        nothing_is_left(&network).await;
        drop(says);
        outcome
    })
}

async fn world(seed: u64, network: &Network) -> Outcome {
    let mut chance = Chance::new(seed, 2);
    let server = serve(network);
    let mut clients = JoinSet::new();
    for host in 0..chance.between(1, 3) {
        let (client, origin) = client(network, seed, host);
        for task in 0..chance.between(1, 3) {
            let name = (host * 10 + task) as usize;
            let chance = Chance::new(seed, 1000 + name as u64);
            clients.spawn(ask(client.clone(), origin, name, chance));
        }
    }
    let befalls = tokio::spawn(befall(network.clone(), server, chance));
    let mut outcome = Outcome::default();
    while let Some(asked) = clients.join_next().await {
        outcome += asked.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    }
    network.mend_all();
    let server = befalls.await.expect("it does not panic");
    let _ = server.shutdown(Duration::from_secs(120)).await;
    assert_eq!(server.stats().open_connections, 0, "the server has connections left");
    outcome
}

fn serve(network: &Network) -> ServerHandle {
    let network = network.at("server");
    let server = Server::new(service())
        .listen("server:80", network.clone())
        .listen("server:443", network.streams().protocols(["h3"]));
    server.spawn().expect("nobody else listens there")
}

/// A client of one version of HTTP, and what it asks.
fn client(network: &Network, seed: u64, host: u64) -> (Client, &'static str) {
    let network = network.at(&format!("client{host}"));
    let streams = network.streams();
    let dialer: Arc<dyn Dialer> = match layer(seed, host) {
        Some(faulty) => Arc::new(faulty.over(network)),
        None => Arc::new(network),
    };
    let mut config = ClientConfig::default();
    let patience = Some(Duration::from_secs(40));
    config.response_timeout = patience;
    config.body_timeout = patience;
    config.write_timeout = patience;
    config.idle_timeout = Duration::from_secs(20);
    let (protocol, origin) = match Chance::new(seed, 200 + host).between(0, 2) {
        0 => (ProtocolChoice::Http1, "http://server"),
        // Both ends speak it without TLS as well.
        1 => (ProtocolChoice::Http2, "http://server"),
        _ => (ProtocolChoice::Http3, "https://server"),
    };
    config.protocol = protocol;
    let builder = Client::builder().with_dialer(dialer).with_stream_dialer(streams);
    (builder.config(config).build(), origin)
}

/// Cuts, partitions, crashes; gives the server that runs at the end.
async fn befall(network: Network, mut server: ServerHandle, mut chance: Chance) -> ServerHandle {
    for _ in 0..chance.between(0, 3) {
        sleep(Duration::from_millis(chance.between(0, 2000))).await;
        let lasts = Duration::from_millis(chance.between(10, 30_000));
        let host = format!("client{}", chance.between(0, 2));
        match chance.between(0, 3) {
            0 => network.cut(&host, "server"),
            1 => network.cut("server", &host),
            2 => network.partition(&[&host], &["server"]),
            _ => {
                network.crash("server");
                let _ = server.shutdown(Duration::ZERO).await;
                sleep(lasts).await;
                network.restart("server");
                server = serve(&network);
            }
        }
        sleep(lasts).await;
        network.mend_all();
    }
    server
}

/// Connections may live until their idle time is up; then nothing may.
async fn nothing_is_left(network: &Network) {
    sleep(Duration::from_secs(200)).await;
    let stats = network.stats();
    let left = (stats.ends, stats.in_flight, stats.listeners, stats.waiting_dials);
    assert_eq!(left, (0, 0, 0, 0), "something is left: {stats:?}");
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks, 0, "tasks are left");
}

/// Writes the log at the end of the run, also of one that fails.
struct SaysLog(Network);

impl Drop for SaysLog {
    fn drop(&mut self) {
        print!("{}", self.0.log());
    }
}
