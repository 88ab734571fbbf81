//! Requests in one line.

use dipole_http::{BodyError, ClientErrorKind};

use crate::far::{OK, near_and_far};

#[tokio::test(start_paused = true)]
async fn a_request_is_made_of_what_it_is_given() {
    let (near, mut far) = near_and_far();
    let client = near.client.clone();
    let asked = tokio::spawn(async move {
        let request = client.post("http://far/path").header("x-a", "1").bearer_auth("secret");
        request.body("hello").send().await
    });
    let mut conn = far.accept().await;
    conn.expect("POST /path HTTP/1.1\r\nhost: far\r\nx-a: 1\r\nauthorization: Bearer secret\r\n")
        .await;
    conn.expect("content-length: 5\r\n\r\nhello").await;
    conn.send(OK).await;
    let response = asked.await.expect("no panic").expect("a response");
    assert_eq!(response.into_body().into_bytes(2).await.expect("two bytes"), "hi");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_when_it_is_sent() {
    let (near, _far) = near_and_far();
    let client = &near.client;
    for request in [
        client.get("http://a b/"),
        client.get("http://far/").header("a b", "c"),
        client.get("http://far/").header("a", "b\nc"),
        client.get("http://far/").bearer_auth("a\nb"),
    ] {
        let error = request.send().await.expect_err("it is wrong");
        assert_eq!(error.kind(), ClientErrorKind::Request, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_as_large_as_allowed_and_no_larger() {
    let body = || dipole_http::Body::from("hello");
    assert_eq!(body().into_bytes(5).await.expect("five bytes"), "hello");
    let error = body().into_bytes(4).await.expect_err("it is larger");
    assert!(matches!(error, BodyError::TooLarge { limit: 4 }), "{error}");
    assert_eq!(dipole_http::Body::empty().into_bytes(0).await.expect("none"), "");
}
