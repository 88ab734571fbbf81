//! Dipole's client with its pool, on io_uring, whose ring has a thread of its own.

use clients::{CONNECTIONS, Load, check};
use dipole::{Body, Client, ResponseExt as _, uring::Uring};

fn main() {
    let load = Load::of_arguments();
    let url: http::Uri = load.url().parse().expect("a URL");
    let client =
        Client::builder().with_dialer(Uring::new().expect("io_uring can be used here")).build();
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
    load.run(request, vec![client; CONNECTIONS]);
}
