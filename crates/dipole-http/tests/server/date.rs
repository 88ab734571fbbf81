//! The `Date` field (RFC 9110 section 6.6.1).

use dipole_http::Body;
use http::{Response, header};

use crate::support::{Site, handler, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn every_answer_has_one_date() {
    let site = Site::new(handler(async |_| text("x")));
    let mut peer = site.connect().await;
    for _ in 0..3 {
        // Panics unless there is exactly one, and it is of now.
        peer.ask(GET).await.expect(200, &[("content-length", "1")], "x");
    }
    peer.ask("BAD\r\n\r\n").await.expect_refusal(400);
}

#[tokio::test(start_paused = true)]
async fn a_date_of_the_handler_is_kept_and_none_added() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let site = Site::new(handler(async |_| {
        let fields = Response::builder().header(header::DATE, DATE);
        fields.body(Body::from("x")).expect("a response")
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        assert_eq!(peer.ask(GET).await.field("date"), Some(DATE));
    }
}
