//! Sending again what has failed.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dipole_http::{Body, ClientError, ClientErrorKind, SendRequest};
use dipole_net::Error as NetworkError;
use http::{Request, Response, StatusCode, header, request};
use tower::retry::backoff::{Backoff as _, ExponentialBackoffMaker, MakeBackoff as _};
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::util::rng::HasherRng;
use tower_layer::Layer;

use crate::around::{Around, Below, Outcome, Rules};
use crate::repeatable::{Repeatable, drain};

/// Sends a request again that has failed for a while.
///
/// What failed before there was a connection is sent again whatever its method. What may have reached
/// the server is sent again only if that does no harm: its method is idempotent (RFC 9110 section
/// 9.2.2), or it has the field `Idempotency-Key`. Then the answers 429, 502, 503 and 504 count as
/// failures too. A request whose body was a stream is never sent again, nor one whose failure would
/// be the same: a certificate, a malformed answer.
///
/// Between two tries it waits twice as long as before, with some jitter, or what `Retry-After` says
/// in seconds; when that is more than the longest wait, the answer is given as it is. Clones share
/// a budget (tower's), so that retries stay a fifth of all requests when a server is down, plus ten a
/// second.
#[derive(Clone)]
pub struct Retries {
    tries: u32,
    longest_wait: Duration,
    backoff: ExponentialBackoffMaker,
    budget: Arc<TpsBudget>,
}

impl Default for Retries {
    /// Two more tries, the first after 100 ms or so, none after more than 10 s.
    fn default() -> Self {
        Self::at_most(2)
    }
}

impl Retries {
    /// At most `retries` more tries.
    #[must_use]
    pub fn at_most(retries: u32) -> Self {
        let wait = (Duration::from_millis(100), Duration::from_secs(10));
        Self {
            tries: retries,
            longest_wait: wait.1,
            backoff: backoff(wait.0, wait.1),
            budget: Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2)),
        }
    }

    /// How long to wait before the second try, and at most before any. Both at least a millisecond, and
    /// the second no less than the first.
    #[must_use]
    pub fn wait(mut self, first: Duration, longest: Duration) -> Self {
        let first = first.max(Duration::from_millis(1));
        self.longest_wait = longest.max(first);
        self.backoff = backoff(first, self.longest_wait);
        self
    }

    /// How many retries there may be: `per_second` in any case, and `share` of a retry more for each
    /// request of the last ten seconds (0 to 1000).
    #[must_use]
    pub fn budget(mut self, per_second: u16, share: f32) -> Self {
        let share = if share.is_finite() { share.clamp(0.0, 1000.0) } else { 0.0 };
        let ten_seconds = Duration::from_secs(10);
        self.budget = Arc::new(TpsBudget::new(ten_seconds, u32::from(per_second), share));
        self
    }

    /// How long to wait at least before another try; `None` when there is to be none.
    fn wait_after(
        &self,
        parts: &request::Parts,
        outcome: &Result<Response<Body>, ClientError>,
    ) -> Option<Duration> {
        match outcome {
            Err(error) => may_repeat(parts, error).then_some(Duration::ZERO),
            Ok(response) => {
                let is_wanting = matches!(
                    response.status(),
                    StatusCode::TOO_MANY_REQUESTS
                        | StatusCode::BAD_GATEWAY
                        | StatusCode::SERVICE_UNAVAILABLE
                        | StatusCode::GATEWAY_TIMEOUT
                );
                let wait = retry_after(response);
                (is_wanting && is_harmless(parts) && wait <= self.longest_wait).then_some(wait)
            }
        }
    }
}

fn backoff(first: Duration, longest: Duration) -> ExponentialBackoffMaker {
    ExponentialBackoffMaker::new(first, longest, 0.5, HasherRng::new())
        .expect("the longest wait is no less than the first, and none is zero")
}

/// Sent twice it does what it does once.
fn is_harmless(parts: &request::Parts) -> bool {
    parts.method.is_idempotent() || parts.headers.contains_key("idempotency-key")
}

fn may_repeat(parts: &request::Parts, error: &ClientError) -> bool {
    match error.kind() {
        ClientErrorKind::Connect => {
            let network = error.source().and_then(|source| source.downcast_ref::<NetworkError>());
            network.is_none_or(|network| network.tls_fault().is_none())
        }
        ClientErrorKind::Connection | ClientErrorKind::TimedOut => is_harmless(parts),
        _ => false,
    }
}

/// RFC 9110 section 10.2.3, in seconds; a date is taken for nothing said.
fn retry_after(response: &Response<Body>) -> Duration {
    let value = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    Duration::from_secs(value.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
}

impl<S> Layer<S> for Retries {
    type Service = Around<S, Self>;

    fn layer(&self, service: S) -> Around<S, Self> {
        Around::new(service, self.clone())
    }
}

impl Rules for Retries {
    async fn carry<S: SendRequest>(
        mut self,
        request: Request<Body>,
        mut below: Below<S>,
    ) -> Outcome {
        let (mut request, kept) = Repeatable::of(request);
        let mut backoff = self.backoff.make_backoff();
        let mut tries_left = self.tries;
        loop {
            let outcome = below.send(request).await;
            let Some(wait) = self.wait_after(&kept.parts, &outcome) else {
                self.budget.deposit();
                return outcome;
            };
            let Some(again) = kept.again().filter(|_| tries_left > 0) else { return outcome };
            if !self.budget.withdraw() {
                return outcome;
            }
            if let Ok(response) = outcome {
                drain(response).await;
            }
            tokio::join!(backoff.next_backoff(), tokio::time::sleep(wait));
            request = again;
            tries_left -= 1;
        }
    }
}

impl fmt::Debug for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retries")
            .field("tries", &self.tries)
            .field("longest_wait", &self.longest_wait)
            .finish_non_exhaustive()
    }
}
