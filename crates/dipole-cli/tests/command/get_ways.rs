//! `dipole get` by other ways: redirects, passwords, retries, compressed, proxies, interfaces.

use std::io::{Read as _, Write as _};

use crate::support::{Canned, run};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn moved_to(url: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\nset-cookie: a=1\r\ncontent-length: 0\r\n\r\n")
}

#[test]
fn redirects_are_followed_where_asked_for_and_tell_no_secrets() {
    let target = Canned::answering(HELLO);
    let server = Canned::answering(moved_to(&target.url("/there")));
    let ended = run(&["get", "-L", "-u", "Aladdin:open sesame", &server.url("/here")]);
    assert_eq!((ended.status, ended.text(), ended.stderr.as_str()), (Some(0), "hello", ""));
    let first = server.request();
    let authorization = "\r\nauthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(first.contains(authorization), "{first}");
    let second = target.request();
    assert!(second.starts_with("GET /there HTTP/1.1\r\n"), "{second}");
    assert!(!second.contains("authorization"), "{second}");
}

#[test]
fn redirects_are_left_alone_without_and_bounded_with() {
    let server = Canned::answering(moved_to("/there"));
    let ended = run(&["get", "-i", &server.url("/")]);
    assert!(ended.text().starts_with("HTTP/1.1 302 Found\r\n"), "{ended:?}");
    let server = Canned::answering(moved_to("/there"));
    let ended = run(&["get", "-L", "--max-redirs", "0", &server.url("/")]);
    assert!(ended.failure(1).contains("redirects"), "{ended:?}");
    let ended = run(&["get", "--max-redirs", "3", "http://x/"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
}

#[test]
fn what_is_busy_is_asked_again() {
    let server = Canned::serving(|mut socket| {
        let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(busy.as_bytes()).expect("the client is there");
        let mut request = [0; 4096];
        assert!(socket.read(&mut request).expect("it asks again") > 0);
        socket.write_all(HELLO.as_bytes()).expect("the client is there");
    });
    let ended = run(&["get", "--retry", "2", &server.url("/")]);
    assert_eq!((ended.status, ended.text()), (Some(0), "hello"));
}

#[test]
fn a_compressed_answer_is_decoded() {
    const GZIP: [u8; 25] = [
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10,
        0x36, 5, 0, 0, 0,
    ];
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 25\r\n\r\n".to_vec();
    answer.extend_from_slice(&GZIP);
    let server = Canned::answering(answer.clone());
    let ended = run(&["get", "--compressed", &server.url("/")]);
    assert_eq!((ended.status, ended.text()), (Some(0), "hello"));
    let request = server.request();
    assert!(request.contains("\r\naccept-encoding: ") && request.contains("gzip"), "{request}");
    let server = Canned::answering(answer);
    assert_eq!(run(&["get", &server.url("/")]).stdout, GZIP, "as it came");
}

#[test]
fn an_http_proxy_forwards_and_is_told_who_asks() {
    let proxy = Canned::answering(HELLO);
    let url = format!("http://Aladdin:open%20sesame@{}", proxy.addr());
    let ended = run(&["get", "-x", &url, "-b", "a=1", "http://far.invalid/x?y"]);
    assert_eq!((ended.status, ended.text()), (Some(0), "hello"));
    let request = proxy.request();
    assert!(request.starts_with("GET http://far.invalid/x?y HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nhost: far.invalid\r\n"), "{request}");
    assert!(request.contains("\r\ncookie: a=1\r\n"), "{request}");
    let credentials = "\r\nproxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(request.contains(credentials), "{request}");
}

#[test]
fn an_http_proxy_is_asked_for_a_tunnel_and_may_refuse() {
    let proxy = Canned::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let ended = run(&["get", "-k", "-x", proxy.addr(), "https://far.invalid/"]);
    assert!(ended.failure(1).contains("does not allow it (403)"), "{ended:?}");
    assert!(proxy.request().starts_with("CONNECT far.invalid:443 HTTP/1.1\r\n"));
}

#[test]
fn hosts_may_do_without_the_proxy() {
    let server = Canned::answering(HELLO);
    let ended = run(&["get", "-x", "nobody.invalid", "--noproxy", "127.0.0.1", &server.url("/")]);
    assert_eq!((ended.status, ended.text()), (Some(0), "hello"));
}

#[test]
fn it_connects_from_where_it_is_told_to() {
    let server = Canned::answering(HELLO);
    let ended = run(&["get", "-v", "--interface", "127.0.0.9", &server.url("/")]);
    assert!(ended.stderr.contains(" from 127.0.0.9:"), "{ended:?}");
    #[cfg(target_os = "linux")]
    {
        let ended = run(&["get", "--interface", "no-such-interface", &server.url("/")]);
        assert_eq!(ended.status, Some(1), "{ended:?}");
        let server = Canned::answering(HELLO);
        assert_eq!(run(&["get", "--interface", "lo", &server.url("/")]).text(), "hello");
    }
}

#[test]
fn what_is_no_proxy_or_user_is_wrong_usage() {
    for arguments in [
        &["get", "-x", "ftp://x", "http://x/"][..],
        &["get", "-u", "nobody", "http://x/"],
        &["get", "--noproxy", "x", "http://x/"],
        &["get", "--http3", "-x", "x", "https://x/"],
        &["get", "--network", "quinn", "--interface", "lo", "https://x/"],
        &["get", "--retry", "many", "http://x/"],
    ] {
        assert_eq!(run(arguments).status, Some(2), "{arguments:?}");
    }
}
