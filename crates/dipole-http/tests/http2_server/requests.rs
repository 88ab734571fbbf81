//! Requests and their answers.

use bytes::Bytes;
use dipole_http::{Body, ConnectionInfo, ServerConfig};
use http::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};

use super::client::{ask, begin, connect, get, post};
use crate::support::{Calls, Site, by_hand, expect_on_time, handler, ms, read_all, secs, text};

#[tokio::test(start_paused = true)]
async fn bodies_and_trailers_go_both_ways() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let (data, trailers) = read_all(request.into_body()).await.expect("a body");
        let sum = trailers.expect("trailers")["sum"].clone();
        let (feed, body) = by_hand();
        feed.data(data);
        feed.trailer("checked", if sum == "ok" { "yes" } else { "no" });
        Response::new(body)
    }));
    let (mut client, _) = connect(&site).await;
    let request = post("/").body(()).expect("a request");
    let (response, mut stream) = client.send_request(request, false).expect("a stream");
    stream.send_data("hello ".into(), false).expect("sent");
    stream.send_data("there".into(), false).expect("sent");
    let trailers = [("sum".parse().expect("a name"), "ok".parse().expect("a value"))];
    stream.send_trailers(trailers.into_iter().collect()).expect("sent");
    let mut answer = response.await.expect("an answer");
    assert!(answer.headers().contains_key("date"));
    let (data, trailers) = super::client::read(answer.body_mut()).await.expect("a body");
    assert_eq!(data, b"hello there");
    assert_eq!(trailers.expect("trailers")["checked"], "yes");
}

#[tokio::test(start_paused = true)]
async fn many_requests_of_one_connection_run_at_once() {
    let site = Site::new(handler(async |request: Request<Body>| {
        sleep(secs(1)).await;
        text(request.uri().path())
    }));
    let (client, _) = connect(&site).await;
    let begun = Instant::now();
    let asked = (0..100).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { ask(&client, get(&format!("/{number}")), "").await })
    });
    for (number, asked) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        let (answer, _) = asked.await.expect("no panic").expect("an answer");
        assert_eq!(*answer.body(), format!("/{number}"));
    }
    expect_on_time(begun, secs(1));
    assert_eq!((site.server.stats().connections, site.server.stats().requests), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn head_no_content_and_not_modified_have_no_body() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let mut answer = text("a body");
        *answer.status_mut() = match request.uri().path() {
            "/204" => StatusCode::NO_CONTENT,
            "/304" => StatusCode::NOT_MODIFIED,
            _ => StatusCode::OK,
        };
        answer
    }));
    let (client, _) = connect(&site).await;
    let (answer, _) = ask(&client, Request::head("http://a/"), "").await.expect("an answer");
    assert_eq!(
        (&**answer.body(), &answer.headers()["content-length"]),
        ("", &"6".parse().unwrap())
    );
    for path in ["/204", "/304"] {
        let (answer, _) = ask(&client, get(path), "").await.expect("an answer");
        assert_eq!(answer.body(), "", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_are_those_of_http_1() {
    let site = Site::configured(
        handler(async |request: Request<Body>| {
            text(match read_all(request.into_body()).await {
                Ok((data, _)) => format!("{} bytes", data.len()),
                Err(error) => error.to_string(),
            })
        }),
        |config: &mut ServerConfig| {
            config.max_body_bytes = Some(1000);
            config.max_target_bytes = 100;
            config.max_headers = 10;
        },
    );
    let (client, _) = connect(&site).await;
    let announced = post("/").header("content-length", 1001);
    for (status, request, body) in [
        (200, post("/"), 1000),
        (413, announced, 1001),
        (413, post("/"), 1001),
        (414, get(&format!("/{}", "x".repeat(100))), 0),
        (431, (0..11).fold(get("/"), |request, n| request.header(format!("x-{n}"), "y")), 0),
        (200, get("/"), 0),
    ] {
        let (answer, _) = ask(&client, request, vec![0; body]).await.expect("an answer");
        assert_eq!(answer.status(), status, "{answer:?}");
    }
    assert_eq!((site.server.stats().rejected, site.server.stats().requests), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn a_header_list_over_the_limit_is_refused_and_the_connection_goes_on() {
    let site = Site::new(handler(async |_| text("hello")));
    let (client, _) = connect(&site).await;
    let large = get("/").header("x", "y".repeat(40_000));
    let answer = ask(&client, large, "").await;
    assert!(!matches!(&answer, Ok((answer, _)) if answer.status() != 431), "{answer:?}");
    assert_eq!(site.server.stats().requests, 0);
    assert_eq!(ask(&client, get("/"), "").await.expect("an answer").0.body(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_answered_500_or_resets_its_stream_alone() {
    let site = Site::new(handler(async |request: Request<Body>| {
        assert_ne!(request.uri().path(), "/panics", "on purpose");
        let (feed, body) = by_hand();
        feed.data("begun");
        if request.uri().path() == "/fails" {
            feed.fail();
        }
        Response::new(body)
    }));
    let (client, _) = connect(&site).await;
    let (answer, _) = ask(&client, get("/panics"), "").await.expect("an answer");
    assert_eq!(
        (answer.status(), site.server.stats().panics),
        (StatusCode::INTERNAL_SERVER_ERROR, 1)
    );
    let failed = ask(&client, get("/fails"), "").await.expect_err("a reset");
    assert!(failed.is_reset(), "{failed}");
    assert_eq!(ask(&client, get("/"), "").await.expect("an answer").0.body(), "begun");
    assert_eq!(site.server.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_knows_its_connection_and_its_version() {
    let service = handler(async |request: Request<Body>| {
        let info = request.extensions().get::<ConnectionInfo>().expect("asked for");
        text(format!("{:?} {} {}", request.version(), info.peer_addr(), request.uri()))
    });
    let site = Site::with(service, |server| server.expose_connection_info());
    let (client, _) = connect(&site).await;
    let (answer, _) = ask(&client, get("/x?y"), "").await.expect("an answer");
    let words: Vec<_> = answer.body().split(' ').collect();
    assert_eq!((words[0], words[2]), ("HTTP/2.0", "http://a/x?y"));
    assert!(words[1].starts_with("127.0.0.1:"), "{words:?}");
}

/// The client's window opens only as the handler reads.
#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_read_stops_its_client() {
    let site = Site::new(handler(async |request: Request<Body>| {
        sleep(secs(10)).await;
        let (data, _) = read_all(request.into_body()).await.expect("a body");
        text(format!("{} bytes", data.len()))
    }));
    let (mut client, _) = connect(&site).await;
    let request = post("/").body(()).expect("a request");
    let (response, mut stream) = client.send_request(request, false).expect("a stream");
    stream.send_data(Bytes::from(vec![0; 1 << 20]), true).expect("queued");
    sleep(secs(5)).await;
    // What is sent is what the window of the stream lets through.
    stream.reserve_capacity(1 << 20);
    assert_eq!(stream.capacity(), 0);
    let mut answer = response.await.expect("an answer");
    let (data, _) = super::client::read(answer.body_mut()).await.expect("a body");
    assert_eq!(data, b"1048576 bytes");
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_after_its_last_request() {
    let service = handler(async |_| text("hello"));
    let site = Site::configured(service, |config| config.max_requests_per_connection = Some(2));
    let (client, ended) = connect(&site).await;
    for _ in 0..2 {
        assert_eq!(ask(&client, get("/"), "").await.expect("an answer").0.body(), "hello");
    }
    ended.await.expect("no panic").expect("a good end");
    assert!(begin(&client, get("/"), "").await.is_err());
    sleep(ms(10)).await;
    assert_eq!(site.server.stats().open_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_answers_itself_is_told() {
    let (calls, mut config) = (Calls::default(), ServerConfig::default());
    config.max_target_bytes = 10;
    config.request_timeout = Some(secs(7));
    let told = calls.clone();
    let service = handler(async |_: Request<Body>| {
        sleep(secs(1000)).await;
        text("done")
    });
    let site = Site::with(service, |server| {
        server.config(config).on_own_answer(move |answer| {
            let (status, reached) = (answer.status.as_u16(), answer.reached);
            told.note(format!("{status} {reached:?} {}", answer.connection.is_some()));
        })
    });
    let (client, _) = connect(&site).await;
    for (target, status) in [("/a-long-target", 414), ("/slow", 503)] {
        let (answer, _) = ask(&client, get(target), "").await.expect("an answer");
        assert_eq!(answer.status(), status);
    }
    assert_eq!(calls.list(), ["414 Server true", "503 Service true"]);
}

/// RFC 9113 8.3.1; HTTP/1.1 and HTTP/3 refuse the same.
#[tokio::test(start_paused = true)]
async fn a_request_for_two_hosts_or_with_a_user_is_malformed() {
    let site = Site::new(handler(async |_| text("served")));
    let (client, _) = connect(&site).await;
    let with_user = Request::get("http://user@a/");
    for request in [with_user, get("/").header("host", "b"), get("/").header("host", "u@a")] {
        let fault = ask(&client, request, "").await.expect_err("a reset");
        assert_eq!(fault.reason(), Some(h2::Reason::PROTOCOL_ERROR));
    }
    let twice = get("/").header("host", "a").header("host", "a");
    assert!(ask(&client, twice, "").await.is_err());
    let (answer, _) = ask(&client, get("/").header("host", "A:80"), "").await.expect("an answer");
    assert_eq!(answer.body(), "served");
    assert_eq!(site.server.stats().requests, 1);
}
