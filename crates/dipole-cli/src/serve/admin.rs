//! The admin socket of `dipole serve`: what `dipole swap` talks to.
//!
//! HTTP on a Unix socket that its owner alone may use:
//!
//! | request | what it does |
//! |---|---|
//! | `GET /status` | the network library, the addresses, the counters |
//! | `POST /swap?network=NAME` | moves every listener to this network library |
//!
//! Every answer is a JSON object; one that has failed has `error`.

use std::convert::Infallible;
use std::sync::Arc;

use dipole::{Body, Server, ServerHandle};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::site::Site;
use super::sources::Source;
use crate::Failure;
use crate::networks;

/// Serves `site`'s admin socket on the caller's runtime; `None` where there is to be none.
pub(super) fn start(
    sources: Vec<Source>,
    site: Arc<Site>,
) -> Result<Option<ServerHandle>, Failure> {
    if sources.is_empty() {
        return Ok(None);
    }
    let service = tower::service_fn(move |request: Request<Body>| {
        let (site, request) = (Arc::clone(&site), request.map(drop));
        async move {
            let (status, answer) = answer(&site, &request).await;
            let mut response = Response::new(Body::from(format!("{answer}\n")));
            *response.status_mut() = status;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = Server::new(service);
    for Source { addr, options } in sources {
        server = server.listen_with(addr, networks::default().transport, options);
    }
    server
        .spawn()
        .map(Some)
        .map_err(|error| Failure::job(format_args!("the admin socket: {error}")))
}

async fn answer(site: &Site, request: &Request<()>) -> (StatusCode, Value) {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/status") => (StatusCode::OK, site.status()),
        (&Method::POST, "/swap") => match asked_network(request) {
            Some(name) => swap(site, &name).await,
            None => failed(StatusCode::BAD_REQUEST, "say which: POST /swap?network=NAME"),
        },
        (_, "/status" | "/swap") => {
            failed(StatusCode::METHOD_NOT_ALLOWED, "GET /status, POST /swap?network=NAME")
        }
        _ => failed(StatusCode::NOT_FOUND, "there are: GET /status, POST /swap?network=NAME"),
    }
}

async fn swap(site: &Site, name: &str) -> (StatusCode, Value) {
    let network = match networks::find(name) {
        Ok(network) => network,
        Err(failure) => return failed(StatusCode::BAD_REQUEST, &failure.to_string()),
    };
    // `auto` is a choice and no library: what it came to is told.
    let chosen = network.name;
    match site.swap(network).await {
        Ok(earlier) => {
            let answer = json!({"from": earlier, "to": chosen, "listening": site.urls()});
            (StatusCode::OK, answer)
        }
        Err(error) => failed(StatusCode::CONFLICT, &error.to_string()),
    }
}

fn asked_network(request: &Request<()>) -> Option<String> {
    let pairs = request.uri().query()?.split('&');
    let name = pairs.into_iter().find_map(|pair| pair.strip_prefix("network="))?;
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

fn failed(status: StatusCode, why: &str) -> (StatusCode, Value) {
    (status, json!({"error": why}))
}
