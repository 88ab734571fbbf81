//! Requests over a Unix socket, whatever the host.
#![cfg(unix)]

use dipole_http::{Body, Client, ResponseExt as _, Server};
use dipole_net::Addr;
use dipole_tokio::Tokio;
use http::{Request, Response};
use http_body_util::BodyExt;

#[tokio::test]
async fn every_request_goes_to_the_socket() {
    let folder = std::env::temp_dir().join(format!("dipole-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("socket");
    let service = tower::service_fn(|request: Request<Body>| async move {
        let host = request.headers()["host"].to_str().expect("text").to_owned();
        Ok::<_, std::convert::Infallible>(Response::new(Body::from(host)))
    });
    let server = Server::new(service).listen(Addr::unix(&path), Tokio::new());
    let server = server.spawn().expect("the path is free");
    let client = Client::builder().with_dialer(Tokio::new()).unix_socket(&path).build();
    for host in ["a", "b:81"] {
        let request = Request::get(format!("http://{host}/")).body(Body::empty());
        let response = client.request(request.expect("a request")).await.expect("a response");
        let body = response.into_body().collect().await.expect("a whole body").to_bytes();
        assert_eq!(body, host);
    }
    drop(server);
    let _ = std::fs::remove_dir_all(&folder);
}

#[tokio::test]
async fn a_url_may_name_the_socket() {
    let folder = std::env::temp_dir().join(format!("dipole-url-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("Socket");
    let service = tower::service_fn(|request: Request<Body>| async move {
        Ok::<_, std::convert::Infallible>(Response::new(Body::from(request.uri().to_string())))
    });
    let server = Server::new(service).listen(Addr::unix(&path), Tokio::new());
    let server = server.spawn().expect("the path is free");
    let client = Client::builder().with_dialer(Tokio::new()).build();
    let host = path.to_str().expect("text").replace('/', "%2F");
    let response = client.get(&format!("http+unix://{host}/a?b")).send().await;
    let text = response.expect("a response").text().await.expect("a whole body");
    assert_eq!(text, "/a?b");
    drop(server);
    let _ = std::fs::remove_dir_all(&folder);
}
