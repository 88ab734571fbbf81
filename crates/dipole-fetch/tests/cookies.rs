//! Cookies go back to where they belong, and nowhere else.

use std::sync::{Arc, Mutex};

use dipole_fetch::{Cookies, Redirects};
use dipole_http::{Body, ClientError};
use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _};

/// Asks a server that sets the cookies which the query has between `&`; gives what `Cookie` it got.
async fn ask(cookies: &Cookies, uri: &str, own: Option<&str>) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&seen);
    let server = tower::service_fn(move |request: Request<Body>| {
        let cookie = request.headers().get("cookie");
        *noted.lock().expect("no panic") =
            cookie.map_or("", |value| value.to_str().expect("text")).to_owned();
        let mut response = Response::builder();
        for cookie in request.uri().query().unwrap_or_default().split('&') {
            response = response.header("set-cookie", cookie.replace('+', " "));
        }
        if let Some(target) = request.uri().path().strip_prefix("/to/") {
            response = response.status(302).header("location", format!("http://{target}/"));
        }
        std::future::ready(Ok::<_, ClientError>(response.body(Body::empty()).expect("a response")))
    });
    let mut request = Request::get(uri);
    if let Some(own) = own {
        request = request.header("cookie", own);
    }
    let request = request.body(Body::empty()).expect("a request");
    let client = Redirects::default().layer(cookies.layer(server));
    client.oneshot(request).await.expect("a response");
    seen.lock().expect("no panic").clone()
}

#[tokio::test]
async fn a_cookie_goes_back_to_its_host_path_and_scheme_alone() {
    let cookies = Cookies::default();
    ask(
        &cookies,
        "https://a.test/x/y?a=1&b=2;+Path=/x/z&c=3;+Secure;+Path=/&d=4;+Domain=b.test",
        None,
    )
    .await;
    assert_eq!(cookies.len(), 3, "the one of another domain is not taken");
    let mut got: Vec<String> =
        ask(&cookies, "https://a.test/x/z", None).await.split("; ").map(str::to_owned).collect();
    got.sort();
    assert_eq!(got, ["a=1", "b=2", "c=3"]);
    assert_eq!(ask(&cookies, "http://a.test/x/", None).await, "a=1");
    assert_eq!(ask(&cookies, "https://a.test/", None).await, "c=3");
    assert_eq!(ask(&cookies, "https://b.test/", None).await, "");
    assert_eq!(ask(&cookies, "https://a.test/", Some("own=1")).await, "own=1");
    cookies.clear();
    assert!(cookies.is_empty());
}

#[tokio::test]
async fn a_redirect_takes_to_each_host_its_own() {
    let cookies = Cookies::default();
    ask(&cookies, "http://a.test/?a=1;+Path=/", None).await;
    ask(&cookies, "http://b.test/?b=2;+Path=/", None).await;
    assert_eq!(ask(&cookies, "http://a.test/to/b.test?a=3;+Path=/", None).await, "b=2");
    assert_eq!(ask(&cookies, "http://a.test/", None).await, "a=3");
}

#[tokio::test]
async fn cookies_are_bounded_in_number_and_size() {
    let cookies = Cookies::at_most(2);
    ask(&cookies, "http://a.test/?a=1&b=2&c=3", None).await;
    assert_eq!(cookies.len(), 2);
    let cookies = Cookies::default();
    ask(&cookies, &format!("http://a.test/?a={}", "x".repeat(5000)), None).await;
    assert!(cookies.is_empty());
}
