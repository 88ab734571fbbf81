//! Dipole's client with its pool, on io_uring, in a runtime that drives its ring, as a server's worker
//! does.

use std::sync::Arc;

use clients::{CONNECTIONS, Load, check};
use dipole::io::DrivenRuntime;
use dipole::net::Transport;
use dipole::{Body, Client, ResponseExt as _, uring::Uring};

fn main() {
    let load = Load::of_arguments();
    let url: http::Uri = load.url().parse().expect("a URL");
    let library = Uring::new().expect("io_uring can be used here");
    let transport: Arc<dyn Transport> = Arc::new(library.clone());
    let runtime = DrivenRuntime::new([&transport]).expect("a runtime");
    let client = Client::builder().with_dialer(library).build();
    let request = move |client: Client| {
        let url = url.clone();
        async move {
            let mut request = http::Request::new(Body::empty());
            *request.uri_mut() = url;
            let response = client.request(request).await.expect("a response");
            let status = response.status().as_u16();
            check(status, &response.bytes().await.expect("a whole body"));
        }
    };
    runtime.block_on(load.tasks(request, vec![client; CONNECTIONS]));
}
