//! Leaving in order.

use std::time::Duration;

use dipole_http::{BoxError, Drained, ServerHandle};

use super::{Health, Registration};

/// How a server leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// How long clients may take to hear that it has left; it serves as before meanwhile. Default
    /// 2 s.
    pub notice: Duration,
    /// How long running requests may take afterwards. Default 10 s.
    pub deadline: Duration,
    /// How long the registry may take to hear of it. Default 3 s.
    pub deregistration: Duration,
}

impl Default for Departure {
    fn default() -> Self {
        Self {
            notice: Duration::from_secs(2),
            deadline: Duration::from_secs(10),
            deregistration: Duration::from_secs(3),
        }
    }
}

/// Ends a server so that no request is lost: it leaves the registry, says so to health checks, serves
/// on until everybody knows, and only then drains.
///
/// # Errors
/// What the registry failed with; the server has drained all the same.
///
/// # Cancel safety
/// Dropped, it has done a part of it; the server goes on, or drains.
pub async fn leave(
    server: &ServerHandle,
    registration: Box<dyn Registration>,
    health: Option<&Health>,
    departure: Departure,
) -> Result<Drained, BoxError> {
    if let Some(health) = health {
        health.leave();
    }
    let told = tokio::time::timeout(departure.deregistration, registration.deregister()).await;
    tokio::time::sleep(departure.notice).await;
    let drained = server.shutdown(departure.deadline).await;
    told??;
    Ok(drained)
}
