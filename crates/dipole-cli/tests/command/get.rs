//! `dipole get`.

use serde_json::{Value, json};

use crate::support::{Canned, Folder, Program, Serving, run};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello";

#[test]
fn an_answer_goes_to_stdout() {
    let server = Canned::answering(HELLO);
    let ended = run(&["get", &server.url("/a?b=c")]);
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (Some(0), "hello", ""));
    let request = server.request();
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nhost: {}\r\n", server.addr())), "{request}");
    assert!(request.contains("\r\nuser-agent: dipole/"), "{request}");
}

#[test]
fn the_scheme_may_be_left_out() {
    let server = Canned::answering(HELLO);
    assert_eq!(run(&["get", server.addr()]).text(), "hello");
    assert!(server.request().starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn an_answer_goes_into_a_file() {
    const LENGTH: u64 = 20 << 20;
    let folder = Folder::new();
    folder.write_zeros("big", LENGTH);
    let serving = Serving::start(folder.argument(), &["--quiet"]);
    let path = folder.path("copy");
    let url = format!("http://{}/big", serving.addr());
    let ended = run(&["get", &url, "-o", path.to_str().expect("it is UTF-8")]);
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(path.metadata().expect("a file").len(), LENGTH);
}

#[test]
fn status_and_headers_come_first_where_asked_for() {
    let server = Canned::answering(HELLO);
    let ended = run(&["get", "-i", &server.url("/")]);
    let expected = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: 1\r\nx-a: 2\r\n\r\nhello";
    assert_eq!(ended.text(), expected);
}

#[test]
fn method_headers_and_data_are_sent() {
    let server = Canned::answering(HELLO);
    let url = server.url("/");
    let headers = ["-H", "X-One: 1", "-H", "user-agent: me"];
    let arguments = [&["get", &url, "-X", "PUT", "-d", "a=b"], &headers[..]].concat();
    assert_eq!(run(&arguments).status, Some(0));
    let request = server.request();
    assert!(request.starts_with("PUT / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nx-one: 1\r\n"), "{request}");
    assert!(request.contains("\r\nuser-agent: me\r\n"), "{request}");
    assert!(request.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"));
    assert!(request.contains("\r\ncontent-length: 3\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\na=b"), "{request}");
}

#[test]
fn data_may_come_from_a_file() {
    let folder = Folder::with(&[("data", b"from a file\n")]);
    let server = Canned::answering(HELLO);
    let data = format!("@{}", folder.path("data").display());
    assert_eq!(run(&["get", &server.url("/"), "-d", &data]).status, Some(0));
    let request = server.request();
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\ncontent-length: 12\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nfrom a file\n"), "{request}");
}

#[test]
fn data_may_come_from_stdin() {
    let server = Canned::answering(HELLO);
    let mut program = Program::start(&["get", &server.url("/"), "-d", "@-"]);
    program.feed(b"from stdin".to_vec());
    assert_eq!(program.end().text(), "hello");
    let request = server.request();
    assert!(request.contains("\r\ntransfer-encoding: chunked\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\na\r\nfrom stdin\r\n0\r\n\r\n"), "{request}");
}

#[test]
fn a_unix_socket_takes_the_place_of_the_host() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let path = folder.path("s.sock");
    let path = path.to_str().expect("it is UTF-8");
    let unix = format!("unix:{path}");
    let serving = Serving::listening(&["serve", folder.argument(), "--listen", &unix], 1);
    let ended = run(&["get", "--unix-socket", path, "http://nowhere.invalid/a.txt"]);
    assert_eq!((ended.status, ended.text()), (Some(0), "text"), "{ended:?}");
    let url = format!("http+unix://{}/a.txt", path.replace('/', "%2F"));
    assert_eq!(run(&["get", &url]).text(), "text");
    // The URL that the server prints is the socket's.
    let printed = serving.lines()[0].split(' ').nth(2).expect("a URL");
    assert!(run(&["get", printed]).text().contains("a.txt"), "{printed}");
    let ended = run(&["get", "--unix-socket", path, &url]);
    assert!(ended.failure(2).contains("leave --unix-socket"), "{ended:?}");
}

#[test]
fn any_status_is_an_answer_unless_told_otherwise() {
    const ANSWER: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone";
    let server = Canned::answering(ANSWER);
    let ended = run(&["get", &server.url("/")]);
    assert_eq!((ended.status, ended.text()), (Some(0), "none"));
    let server = Canned::answering(ANSWER);
    let url = server.url("/");
    let ended = run(&["get", "--fail", &url]);
    assert_eq!(ended.failure(1), format!("{url} answered 404 Not Found"));
    assert_eq!(ended.text(), "");
}

#[test]
fn every_framing_of_an_answer_is_read() {
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc"),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end", "to the end"),
        ("HTTP/1.0 200 OK\r\n\r\nto the end", "to the end"),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", "x"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
    ] {
        let server = Canned::answering(answer);
        let ended = run(&["get", &server.url("/")]);
        assert_eq!((ended.status, ended.text()), (Some(0), body), "{answer:?} {ended:?}");
    }
    let server = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    let ended = run(&["get", "-X", "HEAD", "-i", &server.url("/")]);
    assert_eq!(ended.text(), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
}

#[test]
fn machines_are_told_in_json() {
    let check = |text: &str| {
        let mut report: Value = serde_json::from_str(text).expect("an object");
        assert!(report["seconds"].take().is_number(), "{text}");
        let headers = json!({"content-length": "5", "x-a": "1, 2"});
        let expected = json!({"status": 200, "version": "HTTP/1.1", "headers": headers, "bytes": 5, "seconds": null});
        assert_eq!(report, expected);
    };
    let server = Canned::answering(HELLO);
    let ended = run(&["get", "--json", &server.url("/")]);
    assert_eq!(ended.text(), "hello");
    check(&ended.stderr);

    let folder = Folder::new();
    let path = folder.path("copy");
    let server = Canned::answering(HELLO);
    let path_text = path.to_str().expect("it is UTF-8");
    let ended = run(&["get", "--json", &server.url("/"), "-o", path_text]);
    check(ended.text());
    assert_eq!(ended.stderr, "");
    assert_eq!(std::fs::read(path).expect("a file"), b"hello");
}
