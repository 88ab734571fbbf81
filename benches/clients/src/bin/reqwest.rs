//! reqwest, as it comes.

use clients::{CONNECTIONS, Load, check};

fn main() {
    let load = Load::of_arguments();
    let url: reqwest::Url = load.url().parse().expect("a URL");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = move |client: reqwest::Client| {
        let url = url.clone();
        async move {
            let response = client.get(url).send().await.expect("a response");
            let status = response.status().as_u16();
            check(status, &response.bytes().await.expect("a whole body"));
        }
    };
    load.run(request, vec![client; CONNECTIONS]);
}
