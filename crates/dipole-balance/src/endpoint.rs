//! One endpoint, and the stream of them that tower's balance takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dipole_http::{Body, ClientError, ClientErrorKind, SendRequest, Via};
use dipole_net::Addr;
use futures_core::Stream;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::discover::{Change, Discover};
use tower::load::PeakEwma;
use tower_service::Service;

use crate::completion::UntilBodyEnds;
use crate::ejection::{Ejection, Health, Outcome, Tally};

/// An endpoint with its load.
type Loaded<S> = PeakEwma<Endpoint<S>, UntilBodyEnds>;

/// Makes endpoints of addresses.
pub(crate) struct Endpoints<D, S> {
    addresses: D,
    service: S,
    ejection: Ejection,
    tally: Arc<Tally>,
    default_round_trip: Duration,
    decay: Duration,
}

impl<D, S> Endpoints<D, S> {
    pub(crate) fn new(
        addresses: D,
        service: S,
        ejection: Ejection,
        default_round_trip: Duration,
        decay: Duration,
    ) -> Self {
        let tally = Arc::default();
        Self { addresses, service, ejection, tally, default_round_trip, decay }
    }
}

/// Nothing in it is pinned: `addresses` is `Unpin` wherever it is polled.
impl<D, S> Unpin for Endpoints<D, S> {}

impl<D, S> Stream for Endpoints<D, S>
where
    D: Discover<Key = Addr, Service = ()> + Unpin,
    S: SendRequest,
{
    type Item = Result<Change<Addr, Loaded<S>>, D::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let change = ready!(Pin::new(&mut this.addresses).poll_discover(cx));
        Poll::Ready(change.map(|change| {
            Ok(match change? {
                Change::Insert(addr, ()) => {
                    let health = Health::new(this.ejection, Arc::clone(&this.tally));
                    let endpoint = Endpoint {
                        service: this.service.clone(),
                        addr: addr.clone(),
                        health: Arc::new(health),
                        recovery: None,
                    };
                    let decay = this.decay.as_nanos() as f64;
                    let round_trip = this.default_round_trip;
                    let loaded = PeakEwma::new(endpoint, round_trip, decay, UntilBodyEnds);
                    Change::Insert(addr, loaded)
                }
                Change::Remove(addr) => Change::Remove(addr),
            })
        }))
    }
}

/// One address of a service.
pub(crate) struct Endpoint<S> {
    service: S,
    addr: Addr,
    health: Arc<Health>,
    /// Ends when it is not left out any more.
    recovery: Option<Pin<Box<Sleep>>>,
}

impl<S: SendRequest> Service<Request<Body>> for Endpoint<S> {
    type Response = Response<Body>;
    type Error = ClientError;
    type Future = Noting<S::Future>;

    /// Waits while the endpoint is left out.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        while let Some(until) = self.health.ejected_until(Instant::now()) {
            let recovery = self.recovery.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if recovery.deadline() != until {
                recovery.as_mut().reset(until);
            }
            ready!(recovery.as_mut().poll(cx));
        }
        self.recovery = None;
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.extensions_mut().insert(Via(self.addr.clone()));
        Noting { future: self.service.call(request), health: Arc::clone(&self.health) }
    }
}

pin_project! {
    /// A response that is waited for, whose outcome its endpoint is told.
    pub(crate) struct Noting<F> {
        #[pin]
        future: F,
        health: Arc<Health>,
    }
}

impl<F> Future for Noting<F>
where
    F: Future<Output = Result<Response<Body>, ClientError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let ended = ready!(this.future.poll(cx));
        if let Some(outcome) = outcome_of(&ended) {
            this.health.note(outcome, Instant::now());
        }
        Poll::Ready(ended)
    }
}

/// `None` where it tells nothing of the endpoint.
fn outcome_of(ended: &Result<Response<Body>, ClientError>) -> Option<Outcome> {
    match ended {
        Ok(response) => Some(match response.status() {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Outcome::Failure,
            _ => Outcome::Success,
        }),
        Err(error) => match error.kind() {
            ClientErrorKind::Connect => Some(Outcome::NoConnection),
            ClientErrorKind::Connection | ClientErrorKind::TimedOut | ClientErrorKind::Response => {
                Some(Outcome::Failure)
            }
            _ => None,
        },
    }
}
