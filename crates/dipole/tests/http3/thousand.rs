//! A thousand requests at the same moment.

use std::convert::Infallible;
use std::sync::Arc;

use dipole::net::{Dialer, ListenOptions, Transport};
use dipole::quinn::Quinn;
use dipole::s2n::S2n;
use dipole::tls::{ClientTls, ServerTls};
use dipole::{Body, ResponseExt};
use http::{Request, Response};
use tokio::sync::Barrier;
use tokio::time::timeout;

use crate::{PATIENCE, site};

const MANY: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_thousand_requests_of_one_connection_are_inside_their_handlers_at_once() {
    together(Quinn::new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_thousand_requests_of_one_connection_are_inside_their_handlers_at_once() {
    together(S2n::new).await;
}

async fn together<L>(library: fn(ServerTls, ClientTls) -> L)
where
    L: Transport + Dialer + Clone + 'static,
{
    let barrier = Arc::new(Barrier::new(MANY));
    let service = tower::service_fn(move |request: Request<Body>| {
        let barrier = Arc::clone(&barrier);
        async move {
            // No answer before all are here.
            barrier.wait().await;
            Ok::<_, Infallible>(Response::new(Body::from(request.uri().path().to_owned())))
        }
    });
    let mut options = ListenOptions::default();
    options.streams.streams = MANY as u32;
    let site = site(library, service, options, |config| {
        config.max_connections_per_host = Some(1);
    });
    let asked: Vec<_> = (0..MANY)
        .map(|number| {
            let (client, url) = (site.client.clone(), format!("{}{number}", site.url));
            tokio::spawn(async move {
                let response = client.get(&url).send().await.expect("a response");
                response.text().await.expect("whole")
            })
        })
        .collect();
    for (number, asked) in asked.into_iter().enumerate() {
        let text = timeout(PATIENCE, asked).await.expect("in time").expect("no panic");
        assert_eq!(text, format!("/{number}"));
    }
    let stats = site.server.stats();
    assert_eq!((stats.requests, stats.connections), (MANY as u64, 1));
}
