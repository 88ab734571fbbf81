//! Other ways than the URI's: an address of a request's own, a proxy that forwards.

use dipole_http::{Body, Client, ClientConfig, Forwarding, Via};
use dipole_net::Addr;
use dipole_sim::{Config, Network};
use http::{HeaderValue, Request};

use crate::far::{Far, GET, Near, OK, good, near_and_far, text};

fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

fn get(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn a_request_may_go_to_an_address_of_its_own() {
    let (near, mut far) = near_and_far();
    let mut other = Far::listening(&near.network, "sim:Other:80");
    let mut request = get("http://far/");
    request.extensions_mut().insert(Via(addr("sim:Other:80")));
    let asked = near.ask(request);
    let _conn = other.serve(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
    // Its connection is not that of requests without.
    let asked = near.get();
    let _conn = far.serve(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
    // And is used again by those that have the same.
    assert_eq!(near.open(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_to_the_same_address_share_a_connection() {
    let (near, _far) = near_and_far();
    let mut other = Far::listening(&near.network, "sim:other:80");
    let ask = || {
        let mut request = get("http://far/");
        request.extensions_mut().insert(Via(addr("sim:other:80")));
        near.ask(request)
    };
    let asked = ask();
    let mut conn = other.serve(OK).await;
    text(good(asked).await).await;
    let asked = ask();
    conn.expect(GET).await;
    conn.send(OK).await;
    text(good(asked).await).await;
}

/// A client of two hosts by way of one proxy, but for `http://direct`.
fn by_a_proxy() -> (Near, Far) {
    let network = Network::new(Config::default());
    let proxy = Far::listening(&network, "proxy:3128");
    let forwarding = Forwarding::new(addr("proxy:3128"))
        .authorization(HeaderValue::from_static("Basic eDp5"))
        .only_where(|host, port| host != "direct" && port != 8080);
    let client = Client::builder()
        .with_dialer(network.clone())
        .forwarding(forwarding)
        .config(ClientConfig::default())
        .build();
    (Near { client, network }, proxy)
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_forwards_is_told_the_whole_uri() {
    let (near, mut proxy) = by_a_proxy();
    let asked = near.ask(get("http://a:81/x?y"));
    let mut conn = proxy.accept().await;
    let head = |target: &str, host: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: {host}\r\nproxy-authorization: Basic eDp5\r\n\r\n")
    };
    conn.expect(head("http://a:81/x?y", "a:81")).await;
    conn.send(OK).await;
    text(good(asked).await).await;
    // All hosts share the connections to it.
    let asked = near.ask(get("http://b"));
    conn.expect(head("http://b/", "b")).await;
    conn.send(OK).await;
    text(good(asked).await).await;
    assert_eq!(near.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_to_go_directly_does_and_tells_nobody_the_password() {
    let (near, mut proxy) = by_a_proxy();
    for (uri, at, host) in
        [("http://direct/", "direct:80", "direct"), ("http://a:8080/", "a:8080", "a:8080")]
    {
        let mut far = Far::listening(&near.network, at);
        let asked = near.ask(get(uri));
        let mut conn = far.accept().await;
        conn.expect(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        conn.send(OK).await;
        text(good(asked).await).await;
    }
    proxy.expect_no_dial().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_not_forwarded() {
    let (near, mut proxy) = by_a_proxy();
    let mut far = Far::listening(&near.network, "a:80");
    let mut request = get("http://a/");
    request.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
    request.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
    let asked = near.ask(request);
    let mut conn = far.accept().await;
    conn.expect("GET / HTTP/1.1\r\n").await;
    conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    text(good(asked).await).await;
    proxy.expect_no_dial().await;
}
