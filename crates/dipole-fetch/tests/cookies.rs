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

/// The domains that `from` may set a cookie for; the cookie has the domain's name.
async fn may_set(cookies: &Cookies, from: &str, domains: &[&str]) -> Vec<String> {
    let each = domains.iter().map(|domain| format!("{domain}=1;+Path=/;+Domain={domain}"));
    ask(cookies, &format!("http://{from}/?{}", each.collect::<Vec<_>>().join("&")), None).await;
    let sent = ask(cookies, &format!("http://{from}/"), None).await;
    cookies.clear();
    let mut names: Vec<_> =
        sent.split("; ").filter_map(|pair| Some(pair.strip_suffix("=1")?.to_owned())).collect();
    names.sort();
    names
}

#[tokio::test]
async fn no_cookie_is_for_a_whole_top_level_domain() {
    let cookies = Cookies::default();
    let taken = may_set(&cookies, "a.b.test", &["test", ".test", "test.", "b.test", "a.b.test"]);
    assert_eq!(taken.await, ["a.b.test", "b.test"]);
    assert_eq!(may_set(&cookies, "b.test.", &["test.", "b.test."]).await, [""; 0]);
    // A host without a dot may set its own, for itself alone.
    assert_eq!(may_set(&cookies, "localhost", &["localhost"]).await, ["localhost"]);
    ask(&cookies, "http://test/?a=1;+Domain=test;+Path=/", None).await;
    assert_eq!(ask(&cookies, "http://test/", None).await, "a=1");
    assert_eq!(ask(&cookies, "http://b.test/", None).await, "");
}

#[tokio::test]
async fn no_cookie_is_for_a_public_suffix_where_the_list_is_given() {
    let site = ["uk", "co.uk", "a.co.uk"];
    assert_eq!(may_set(&Cookies::default(), "a.co.uk", &site).await, ["a.co.uk", "co.uk"]);
    let list = "// ===BEGIN ICANN DOMAINS===\nuk\nco.uk\n*.ck\n!www.ck\n\
                // ===END ICANN DOMAINS===\n// ===BEGIN PRIVATE DOMAINS===\ngithub.io\n\
                // ===END PRIVATE DOMAINS===\n";
    let cookies = Cookies::default().public_suffixes(list).expect("a list");
    assert_eq!(may_set(&cookies, "a.co.uk", &site).await, ["a.co.uk"]);
    assert_eq!(may_set(&cookies, "a.b.ck", &["ck", "b.ck", "a.b.ck"]).await, ["a.b.ck"]);
    assert_eq!(may_set(&cookies, "www.ck", &["www.ck"]).await, ["www.ck"]);
    let private = ["io", "github.io", "me.github.io"];
    assert_eq!(may_set(&cookies, "me.github.io", &private).await, ["me.github.io"]);
    // What is no public suffix is set as before.
    assert_eq!(may_set(&cookies, "a.b.test", &["b.test"]).await, ["b.test"]);
    // A suffix may set a cookie for itself alone.
    ask(&cookies, "http://github.io/?a=1;+Domain=github.io;+Path=/", None).await;
    assert_eq!(ask(&cookies, "http://github.io/", None).await, "a=1");
    assert_eq!(ask(&cookies, "http://me.github.io/", None).await, "");
}
