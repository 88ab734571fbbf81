//! `dipole serve`: the access log.

use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Folder, Serving, get};

#[test]
fn a_request_is_a_line_on_stderr() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let serving = Serving::start(folder.argument(), &[]);
    get(serving.addr(), "/a.txt?x='y'", &[]);
    let line = serving.next_line();
    let words: Vec<_> = line.split(' ').collect();
    let [time, peer, method, target, version, status, bytes, took] = words[..] else {
        panic!("{line}")
    };
    assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
    assert!(peer.starts_with("127.0.0.1:"), "{line}");
    assert_eq!([method, target, version], ["\"GET", "/a.txt?x='y'", "HTTP/1.1\""]);
    assert_eq!([status, bytes], ["200", "4"]);
    assert!(took.ends_with("ms"), "{line}");
}

#[test]
fn a_target_cannot_make_lines_of_its_own() {
    let folder = Folder::new();
    let serving = Serving::start(folder.argument(), &[]);
    assert_eq!(get(serving.addr(), "/x%0d%0a%1b[2J", &[]).status, 404);
    assert!(serving.next_line().contains(" /x%0d%0a%1b[2J HTTP/1.1\" 404 "));
}

#[test]
fn machines_read_json() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let serving = Serving::start(folder.argument(), &["--json"]);
    get(serving.addr(), "/a.txt", &[]);
    let object: Value = serde_json::from_str(&serving.next_line()).expect("an object");
    assert_eq!(object["event"], "request");
    assert_eq!((&object["method"], &object["target"]), (&"GET".into(), &"/a.txt".into()));
    assert_eq!((&object["status"], &object["bytes"]), (&200.into(), &4.into()));
    assert_eq!(object["complete"], true);
    assert!(object["milliseconds"].is_number() && object["peer"].is_string(), "{object}");
}

#[test]
fn a_quiet_server_logs_nothing() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let serving = Serving::start(folder.argument(), &["--quiet"]);
    assert_eq!(get(serving.addr(), "/a.txt", &[]).status, 200);
    assert_eq!(get(serving.addr(), "/nothing", &[]).status, 404);
    serving.signal(Signal::INT);
    let (status, lines) = serving.end();
    assert_eq!(status, Some(0));
    assert!(lines.len() == 1 && lines[0].starts_with("draining, "), "{lines:?}");
}

#[test]
fn what_was_not_sent_whole_says_so() {
    use std::io::{Read as _, Write as _};

    let folder = Folder::new();
    folder.write_zeros("big", 64 << 20);
    let serving = Serving::start(folder.argument(), &[]);
    let mut socket = TcpStream::connect(serving.addr()).expect("it listens");
    socket.write_all(b"GET /big HTTP/1.1\r\nhost: test\r\n\r\n").expect("it takes the request");
    socket.read_exact(&mut [0; 1000]).expect("the answer begins");
    drop(socket);
    let line = serving.next_line();
    assert!(line.contains("\"GET /big HTTP/1.1\" 200 ") && line.ends_with(" cut-short"), "{line}");
}

#[test]
fn what_is_no_request_is_a_line_too() {
    use std::io::{Read as _, Write as _};

    let folder = Folder::new();
    let refuse = |serving: &Serving| {
        let mut socket = TcpStream::connect(serving.addr()).expect("it listens");
        socket.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it takes what comes");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers and closes");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        socket.local_addr().expect("an address").to_string()
    };
    let serving = Serving::start(folder.argument(), &[]);
    let peer = refuse(&serving);
    let line = serving.next_line();
    assert!(line.contains(&format!("Z {peer} - 400 ")), "{line}");

    let serving = Serving::start(folder.argument(), &["--json"]);
    let peer = refuse(&serving);
    let object: Value = serde_json::from_str(&serving.next_line()).expect("an object");
    assert_eq!((&object["event"], &object["status"]), (&"refused".into(), &400.into()));
    assert_eq!(object["peer"], peer);
    assert!(object["reason"].is_string() && object["time"].is_string(), "{object}");
}
