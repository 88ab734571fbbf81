//! The server's side: being found, leaving in order, and saying how one does.

mod drain;
mod health;

use dipole_http::BoxError;
use dipole_net::{Addr, BoxFuture};

pub use self::drain::{Departure, leave};
pub use self::health::{Health, HealthChecked};

/// Where servers say that they are there: etcd, Consul, a database of yours.
pub trait Registry: Send + Sync {
    /// Says that `service` is served at `addr`, and keeps saying so until the registration is
    /// dropped or [`deregister`](Registration::deregister)ed. A server that dies without a word
    /// MUST go by itself after a while.
    ///
    /// # Errors
    /// The registry does not take it.
    fn register<'a>(
        &'a self,
        service: &'a str,
        addr: &'a Addr,
    ) -> BoxFuture<'a, Result<Box<dyn Registration>, BoxError>>;
}

/// One server's entry.
pub trait Registration: Send {
    /// Takes the entry back at once.
    ///
    /// # Errors
    /// The registry could not be told; the entry goes by itself then.
    fn deregister(self: Box<Self>) -> BoxFuture<'static, Result<(), BoxError>>;
}
