//! Servers that register with etcd, one client over all of them, and no request lost while one
//! leaves in order and another one dies.
//!
//! Needs an etcd (`etcd` of Debian's etcd-server, say); its URL is the argument:
//!
//!     cargo run -p dipole-balance --example etcd -- http://127.0.0.1:2379

mod registry;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use dipole_balance::Balance;
use dipole_balance::discover::{Polled, Rhythm};
use dipole_balance::register::{Departure, Health, Registration, Registry as _, leave};
use dipole_http::{BoxError, Client, ResponseExt as _, Server, ServerHandle};
use dipole_tokio::Tokio;
use tower_layer::Layer as _;

use registry::Etcd;

const REQUESTS: usize = 3000;

/// A server that is registered.
struct Member {
    server: ServerHandle,
    registration: Box<dyn Registration>,
    health: Health,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:2379".to_owned());
    let plain = Client::builder().with_dialer(Tokio::new()).build();
    // A service of this run's own, so that nobody else's servers are asked.
    let service = format!("users-{}", std::process::id());
    let etcd = Arc::new(Etcd::new(plain.clone(), &url, &service));

    let first = member("first", &etcd, &service).await?;
    let second = member("second", &etcd, &service).await?;
    let third = member("third", &etcd, &service).await?;
    let mut rhythm = Rhythm::default();
    rhythm.soonest = Duration::from_millis(200);
    let client = plain.layer(Balance::over(Polled::new(Arc::clone(&etcd), rhythm)));

    let load = ask(&client);
    let events = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let health = Some(&first.health);
        let left = leave(&first.server, first.registration, health, Departure::default()).await?;
        println!("the first has left: {left:?}");
        // Its entry stays in etcd until its lease has run out.
        let died = second.server.shutdown(Duration::from_secs(1)).await;
        registry::abandon(second.registration);
        println!("the second has died: {died:?}");
        Ok::<_, BoxError>(())
    };
    let (answers, ()) = tokio::try_join!(load, events)?;
    println!("answers: {answers:?}");
    let _ = third.server.shutdown(Duration::from_secs(1)).await;
    third.registration.deregister().await?;
    let all: usize = answers.values().sum();
    if all != REQUESTS || answers.len() != 3 {
        return Err(format!("{all} of {REQUESTS} requests were answered, by {answers:?}").into());
    }
    println!("no request was lost");
    Ok(())
}

/// A server that says its name, registered.
async fn member(name: &'static str, etcd: &Etcd, service: &str) -> Result<Member, BoxError> {
    let health = Health::at("/healthz");
    let app = Router::new().route("/", get(move || async move { name }));
    let server =
        Server::new(health.layer(app)).listen("127.0.0.1:0", Tokio::new()).workers(1).start()?;
    let registration = etcd.register(service, &server.local_addrs()[0]).await?;
    println!("{name} serves at {}", server.local_addrs()[0]);
    Ok(Member { server, registration, health })
}

/// Asks one thing after the other for some seconds; who answered how often.
async fn ask(client: &Client) -> Result<BTreeMap<String, usize>, BoxError> {
    let mut answers = BTreeMap::new();
    for _ in 0..REQUESTS {
        let response = client.get("http://users/").send().await?.error_for_status()?;
        *answers.entry(response.text().await?).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(answers)
}
