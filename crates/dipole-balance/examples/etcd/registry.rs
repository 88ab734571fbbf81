//! etcd as a registry, by its JSON gateway (`/v3/...`).

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dipole_balance::discover::{Found, Lookup};
use dipole_balance::register::{Registration, Registry};
use dipole_http::{BoxError, Client, ResponseExt as _};
use dipole_net::{Addr, BoxFuture};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// An entry of a server that says nothing goes after this.
const TIME_TO_LIVE: Duration = Duration::from_secs(5);

/// The servers of one service, under the keys `/services/SERVICE/ADDRESS`.
pub(crate) struct Etcd {
    calls: Calls,
    service: String,
}

#[derive(Clone)]
struct Calls {
    client: Client,
    url: String,
}

impl Etcd {
    /// The etcd at this URL.
    pub(crate) fn new(client: Client, url: &str, service: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { calls: Calls { client, url }, service: service.to_owned() }
    }
}

impl Calls {
    async fn call(&self, what: &str, question: Value) -> Result<Value, BoxError> {
        let url = format!("{}/v3/{what}", self.url);
        let asked = self.client.post(&url).json(&question).timeout(TIME_TO_LIVE);
        Ok(asked.send().await?.error_for_status()?.json().await?)
    }
}

fn prefix(service: &str) -> String {
    format!("/services/{service}/")
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

impl Lookup for Etcd {
    fn look_up(&self) -> BoxFuture<'static, Result<Found, BoxError>> {
        let (calls, from) = (self.calls.clone(), prefix(&self.service));
        // The first key that does not begin so: `0` comes after `/`.
        let to = format!("/services/{}0", self.service);
        Box::pin(async move {
            let question = json!({"key": encoded(&from), "range_end": encoded(&to)});
            let answer = calls.call("kv/range", question).await?;
            let mut endpoints = Vec::new();
            for entry in answer["kvs"].as_array().into_iter().flatten() {
                let value = entry["value"].as_str().ok_or("an entry has a value")?;
                let text = String::from_utf8(BASE64_STANDARD.decode(value)?)?;
                endpoints.push(text.parse::<Addr>()?);
            }
            Ok(Found { endpoints, valid_for: Duration::ZERO })
        })
    }
}

impl Registry for Etcd {
    fn register<'a>(
        &'a self,
        service: &'a str,
        addr: &'a Addr,
    ) -> BoxFuture<'a, Result<Box<dyn Registration>, BoxError>> {
        Box::pin(async move {
            let granted = json!({"TTL": TIME_TO_LIVE.as_secs()});
            let granted = self.calls.call("lease/grant", granted).await?;
            let lease = granted["ID"].as_str().ok_or("a lease has a number")?.to_owned();
            let addr = addr.to_string();
            let key = encoded(&format!("{}{addr}", prefix(service)));
            let entry = json!({"key": key, "value": encoded(&addr), "lease": lease});
            self.calls.call("kv/put", entry).await?;
            let upkeep = tokio::spawn(keep_alive(self.calls.clone(), lease.clone()));
            let entry = Entry { calls: self.calls.clone(), lease, upkeep: Upkeep(upkeep) };
            Ok(Box::new(entry) as Box<dyn Registration>)
        })
    }
}

/// Says again and again that the server is there.
async fn keep_alive(calls: Calls, lease: String) {
    loop {
        tokio::time::sleep(TIME_TO_LIVE / 3).await;
        if let Err(error) = calls.call("lease/keepalive", json!({"ID": lease})).await {
            eprintln!("etcd was not told that a server is there: {error}");
        }
    }
}

struct Entry {
    calls: Calls,
    lease: String,
    upkeep: Upkeep,
}

struct Upkeep(JoinHandle<()>);

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Registration for Entry {
    fn deregister(self: Box<Self>) -> BoxFuture<'static, Result<(), BoxError>> {
        let Self { calls, lease, upkeep } = *self;
        drop(upkeep);
        Box::pin(async move {
            calls.call("lease/revoke", json!({"ID": lease})).await?;
            Ok(())
        })
    }
}

/// What becomes of the entry of a server that dies: nobody says any more that it is there.
pub(crate) fn abandon(registration: Box<dyn Registration>) {
    drop(registration);
}
