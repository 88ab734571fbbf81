//! Endpoints by DNS: names with several addresses (Kubernetes' headless services), and services
//! (RFC 2782; Consul's DNS).

use std::sync::Arc;
use std::time::{Duration, Instant};

use dipole_balance::discover::{Found, Lookup};
use dipole_http::BoxError;
use dipole_net::{Addr, BoxFuture};
use hickory_resolver::proto::rr::RData;

use crate::Hickory;

/// Asks DNS; give it to [`Polled`](dipole_balance::discover::Polled). Answers stand as long as
/// their records say.
#[derive(Debug, Clone)]
pub struct Endpoints {
    names: Hickory,
    question: Question,
}

#[derive(Debug, Clone)]
enum Question {
    Addresses { name: Arc<str>, port: u16 },
    Services { name: Arc<str> },
}

impl Endpoints {
    /// Each address of `name` (A and AAAA), at this port.
    #[must_use]
    pub fn addresses(names: Hickory, name: &str, port: u16) -> Self {
        Self { names, question: Question::Addresses { name: name.into(), port } }
    }

    /// Each address and port of a service such as `_http._tcp.users.service.consul` (SRV). Of
    /// several priorities the lowest number counts; weights do not, for the load decides.
    #[must_use]
    pub fn services(names: Hickory, name: &str) -> Self {
        Self { names, question: Question::Services { name: name.into() } }
    }

    async fn found(self) -> Result<Found, BoxError> {
        match &self.question {
            Question::Addresses { name, port } => self.addresses_of(name, *port).await,
            Question::Services { name } => self.services_of(name).await,
        }
    }

    async fn addresses_of(&self, name: &str, port: u16) -> Result<Found, BoxError> {
        let answer = self.names.resolver.lookup_ip(name).await?;
        let endpoints = answer.iter().map(|ip| Addr::Ip((ip, port).into())).collect();
        Ok(Found { endpoints, valid_for: until(answer.as_lookup().valid_until()) })
    }

    async fn services_of(&self, name: &str) -> Result<Found, BoxError> {
        let answer = self.names.resolver.srv_lookup(name).await?;
        let services = || {
            answer.answers().iter().filter_map(|record| match &record.data {
                RData::SRV(service) => Some(service),
                _ => None,
            })
        };
        let best = services().map(|service| service.priority).min();
        let mut found = Found { endpoints: Vec::new(), valid_for: until(answer.valid_until()) };
        for service in services().filter(|service| Some(service.priority) == best) {
            let target = service.target.to_string();
            let addresses = self.addresses_of(&target, service.port).await?;
            found.endpoints.extend(addresses.endpoints);
            found.valid_for = found.valid_for.min(addresses.valid_for);
        }
        Ok(found)
    }
}

fn until(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

impl Lookup for Endpoints {
    fn look_up(&self) -> BoxFuture<'static, Result<Found, BoxError>> {
        Box::pin(self.clone().found())
    }
}
