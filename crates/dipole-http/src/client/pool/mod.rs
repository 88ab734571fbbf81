//! Connections, kept and shared among the requests to an origin.
//!
//! | file | what it does |
//! |---|---|
//! | [`origin`] | one origin: who gets which connection, and when a new one is made |
//! | [`queue`] | requests that wait for their turn |
//! | [`lease`] | a place among the origin's connections, taken for as long as one is used |
//! | [`lane`] | the origin's HTTP/3 connections, beside the others |

mod lane;
mod lease;
mod origin;
mod queue;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use self::lane::{Attempt, Lane, LaneTurn};
pub(super) use self::lease::{Dialling, Lease, Stream};
pub(super) use self::origin::{Origin, Preference, Turn};
use super::route::{Security, Target};

/// Origins that are remembered although nothing is kept of them.
const MAX_ORIGINS: usize = 1024;

/// The origins that a client has asked.
pub(super) struct Pool {
    settings: Settings,
    origins: Mutex<Origins>,
}

/// By host and port, as in a URI, in lower case.
#[derive(Default)]
struct Origins {
    plain: HashMap<Box<str>, Arc<Origin>>,
    secured: HashMap<Box<str>, Arc<Origin>>,
}

/// How many connections there may be to one origin, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) max_connections: Option<usize>,
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Option<Duration>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, origins: Mutex::default() }
    }

    /// The origin named `authority`: a host and perhaps a port, without user information. `make`
    /// makes it when it is not known yet.
    pub(super) fn origin(
        &self,
        security: Security,
        authority: &str,
        make: impl FnOnce() -> Target,
    ) -> Arc<Origin> {
        let key = if authority.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(authority.to_ascii_lowercase())
        } else {
            Cow::Borrowed(authority)
        };
        let key = key.strip_suffix(security.default_port_suffix()).unwrap_or(&key);
        let mut origins = lock(&self.origins);
        let origins = match security {
            Security::Plain => &mut origins.plain,
            Security::Tls => &mut origins.secured,
        };
        if let Some(origin) = origins.get(key) {
            return Arc::clone(origin);
        }
        if origins.len() >= MAX_ORIGINS {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1 || !origin.is_empty());
        }
        let origin = Arc::new(Origin::new(make(), self.settings));
        origins.insert(key.into(), Arc::clone(&origin));
        origin
    }
}
