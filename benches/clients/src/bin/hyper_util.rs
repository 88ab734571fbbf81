//! hyper-util's client with its pool.

use bytes::Bytes;
use clients::{CONNECTIONS, Load, check};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

fn main() {
    let load = Load::of_arguments();
    let url: http::Uri = load.url().parse().expect("a URL");
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = move |client: Client<HttpConnector, Empty<Bytes>>| {
        let url = url.clone();
        async move {
            let response = client.get(url).await.expect("a response");
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("a whole body").to_bytes();
            check(status, &body);
        }
    };
    load.run(request, vec![client; CONNECTIONS]);
}
