//! `dipole serve`: files.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use rustix::fs::{CWD, Mode};

use crate::support::{Folder, LIMIT, Serving, ask, get, read_answer, request};

#[test]
fn a_file_has_its_type_its_length_and_its_version() {
    let folder = Folder::with(&[("a/hello.txt", "grüezi\n".as_bytes())]);
    let serving = Serving::start(folder.argument(), &[]);
    let answer = get(serving.addr(), "/a/hello.txt", &[]);
    assert_eq!((answer.status, answer.text()), (200, "grüezi\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("content-length"), Some("8"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert!(answer.header("etag").is_some() && answer.header("last-modified").is_some());
    assert_eq!(get(serving.addr(), "/a/hello.txt/", &[]).status, 404);
    assert_eq!(get(serving.addr(), "/nothing", &[]).text(), "404: there is nothing at /nothing\n");
}

#[test]
fn odd_names_are_found() {
    let folder = Folder::with(&[("ä ö?#%25&.html", b"odd"), ("new\nline", b"two")]);
    let serving = Serving::start(folder.argument(), &[]);
    let answer = get(serving.addr(), "/%C3%A4%20%C3%B6%3F%23%2525%26.html?query", &[]);
    assert_eq!((answer.status, answer.text()), (200, "odd"));
    // HTML says itself how it is encoded.
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(get(serving.addr(), "/new%0aline", &[]).text(), "two");
    assert_eq!(get(serving.addr(), "/nul%00", &[]).status, 404);
    assert_eq!(get(serving.addr(), &format!("/{}", "x".repeat(300)), &[]).status, 404);
}

#[test]
fn parts_of_a_file_can_be_had() {
    let folder = Folder::with(&[("digits", b"0123456789")]);
    let serving = Serving::start(folder.argument(), &[]);
    let part = |range: &str| {
        let answer = get(serving.addr(), "/digits", &[&format!("range: {range}")]);
        let of = answer.header("content-range").map(ToOwned::to_owned);
        (answer.status, answer.text().to_owned(), of)
    };
    assert_eq!(part("bytes=2-4"), (206, "234".into(), Some("bytes 2-4/10".into())));
    assert_eq!(part("bytes=7-"), (206, "789".into(), Some("bytes 7-9/10".into())));
    assert_eq!(part("bytes=-1"), (206, "9".into(), Some("bytes 9-9/10".into())));
    assert_eq!(part("bytes=8-100"), (206, "89".into(), Some("bytes 8-9/10".into())));
    assert_eq!(part("bytes=10-"), (416, String::new(), Some("bytes */10".into())));
    assert_eq!(part("bytes=-0"), (416, String::new(), Some("bytes */10".into())));
    // RFC 9110 14.1.2: what is longer than the file is all that there is; a unit has no case.
    let all = (206, "0123456789".into(), Some("bytes 0-9/10".into()));
    for range in ["bytes=-1000", "bytes=0-18446744073709551616", "Bytes=0-", "bytes=,0-9, "] {
        assert_eq!(part(range), all, "{range}");
    }
    // What is no range, or more than one, is answered with all.
    for range in ["lines=1-2", "bytes=4-2", "bytes=x", "bytes=0-1,3-4", "bytes = 2-4"] {
        assert_eq!(part(range), (200, "0123456789".into(), None), "{range}");
    }
    let head = ask(serving.addr(), "HEAD", "/digits", &["range: bytes=2-4"]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
}

#[test]
fn an_empty_file_has_no_part() {
    let folder = Folder::with(&[("empty", b"")]);
    let serving = Serving::start(folder.argument(), &[]);
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
        let answer = get(serving.addr(), "/empty", &[&format!("range: {range}")]);
        assert_eq!(
            (answer.status, answer.header("content-range")),
            (416, Some("bytes */0")),
            "{range}"
        );
    }
    assert_eq!(get(serving.addr(), "/empty", &[]).status, 200);
}

#[test]
fn a_part_is_of_the_version_that_was_asked_for() {
    let folder = Folder::with(&[("digits", b"0123456789")]);
    let serving = Serving::start(folder.argument(), &[]);
    let whole = get(serving.addr(), "/digits", &[]);
    let date = whole.header("last-modified").expect("a date");
    for version in [whole.header("etag").expect("a tag"), date] {
        let if_range = format!("if-range: {version}");
        let part = get(serving.addr(), "/digits", &["range: bytes=2-4", &if_range]);
        assert_eq!((part.status, part.text()), (206, "234"), "{version}");
    }
    for other in ["\"other\"", "W/\"weak\"", "Thu, 01 Jan 1970 00:00:00 GMT", "nonsense"] {
        let if_range = format!("if-range: {other}");
        for range in ["range: bytes=2-4", "range: bytes=20-"] {
            let answer = get(serving.addr(), "/digits", &[range, &if_range]);
            assert_eq!((answer.status, answer.text()), (200, "0123456789"), "{other} {range}");
        }
    }
}

#[test]
fn a_file_that_is_known_is_not_sent_again() {
    let folder = Folder::with(&[("page.css", b"a{}")]);
    let serving = Serving::start(folder.argument(), &[]);
    let first = get(serving.addr(), "/page.css", &[]);
    let tag = format!("if-none-match: \"x\", {}", first.header("etag").expect("a tag"));
    let date = format!("if-modified-since: {}", first.header("last-modified").expect("a date"));
    for known in [&tag, &date] {
        let again = get(serving.addr(), "/page.css", &[known]);
        assert_eq!((again.status, again.text()), (304, ""), "{known}");
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(again.header("vary"), first.header("vary"));
    }
    let unknown = ["if-none-match: \"x\"", "if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT"];
    for unknown in unknown {
        assert_eq!(get(serving.addr(), "/page.css", &[unknown]).status, 200, "{unknown}");
    }
    assert_eq!(get(serving.addr(), "/page.css", &["if-match: \"x\""]).status, 412);
}

#[test]
fn a_head_is_as_the_answer_would_be() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let serving = Serving::start(folder.argument(), &[]);
    for target in ["/a.txt", "/", "/nothing"] {
        let whole = get(serving.addr(), target, &[]);
        let head = ask(serving.addr(), "HEAD", target, &[]);
        assert_eq!((head.status, head.text()), (whole.status, ""));
        for name in ["content-length", "content-type", "etag", "last-modified"] {
            assert_eq!(head.header(name), whole.header(name), "{name} of {target}");
        }
    }
}

#[test]
fn a_precompressed_file_is_sent_to_who_takes_it() {
    let folder = Folder::with(&[
        ("app.js", b"plain"),
        ("app.js.gz", b"as gzip"),
        ("app.js.br", b"as brotli"),
        ("app.js.zst", b"as zstd"),
    ]);
    let serving = Serving::start(folder.argument(), &[]);
    for (accepted, encoding, body) in [
        ("gzip", Some("gzip"), "as gzip"),
        ("br", Some("br"), "as brotli"),
        ("zstd", Some("zstd"), "as zstd"),
        ("identity", None, "plain"),
        ("gzip;q=0", None, "plain"),
    ] {
        let answer = get(serving.addr(), "/app.js", &[&format!("accept-encoding: {accepted}")]);
        assert_eq!((answer.status, answer.text()), (200, body), "{accepted}");
        assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accepted}");
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
    }
}

#[test]
fn a_folder_is_its_index() {
    let folder = Folder::with(&[("docs/index.html", b"<h1>Index")]);
    let serving = Serving::start(folder.argument(), &[]);
    assert_eq!(get(serving.addr(), "/docs/", &[]).text(), "<h1>Index");
    for (target, location) in
        [("/docs", "/docs/"), ("/docs?a=b", "/docs/?a=b"), ("//docs", "/docs/")]
    {
        let answer = get(serving.addr(), target, &[]);
        assert_eq!((answer.status, answer.header("location")), (307, Some(location)), "{target}");
    }
}

#[test]
fn nothing_above_the_folder_can_be_had() {
    let folder = Folder::with(&[("secret", b"secret"), ("public/open", b"open")]);
    let public = folder.path("public");
    let serving = Serving::start(public.to_str().expect("it is UTF-8"), &[]);
    for target in [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "//../secret",
        "/open/../../secret",
        "/..%5csecret",
        "/../",
        "/%2e%2e/",
    ] {
        assert_eq!(get(serving.addr(), target, &[]).status, 404, "{target}");
    }
    let absolute = folder.path("secret");
    let absolute = absolute.to_str().expect("it is UTF-8");
    assert_eq!(get(serving.addr(), &format!("/{absolute}"), &[]).status, 404);
    let encoded = absolute.replace('/', "%2f");
    assert_eq!(get(serving.addr(), &format!("/{encoded}"), &[]).status, 404);
}

#[test]
fn what_is_no_file_does_not_hold_the_server_up() {
    let folder = Folder::new();
    rustix::fs::mkfifoat(CWD, folder.path("pipe"), Mode::RUSR).expect("a named pipe");
    let serving = Serving::start(folder.argument(), &[]);
    assert_eq!(get(serving.addr(), "/pipe", &[]).status, 404);
}

#[test]
fn files_are_only_read() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let serving = Serving::start(folder.argument(), &[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "NEW"] {
        let answer = ask(serving.addr(), method, "/a.txt", &["content-length: 0"]);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
}

#[test]
fn a_client_that_has_said_all_gets_its_file() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let serving = Serving::start(folder.argument(), &[]);
    let mut socket = TcpStream::connect(serving.addr()).expect("it listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
    socket.write_all(b"GET /a.txt HTTP/1.0\r\n\r\n").expect("it takes the request");
    socket.shutdown(Shutdown::Write).expect("a half-closed socket");
    assert_eq!(read_answer(socket, Vec::new()).text(), "text");
}

#[test]
fn a_file_that_grows_is_sent_as_it_was() {
    const LENGTH: u64 = 32 << 20;
    let folder = Folder::new();
    folder.write_zeros("growing", LENGTH);
    let serving = Serving::start(folder.argument(), &[]);
    let mut socket = TcpStream::connect(serving.addr()).expect("it listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
    socket.write_all(request("GET", "/growing", &[]).as_bytes()).expect("it takes the request");
    let mut first = [0];
    socket.read_exact(&mut first).expect("the answer begins");
    let mut file = File::options().append(true).open(folder.path("growing")).expect("a file");
    file.write_all(b"more").expect("it grows");
    let answer = read_answer(socket, first.to_vec());
    assert_eq!(answer.header("content-length"), Some("33554432"));
    assert_eq!(answer.body.len() as u64, LENGTH);
}
