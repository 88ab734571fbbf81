//! `dipole serve`: how it ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Folder, LIMIT, Program, Serving, ask_on, read_answer, request};

/// More than any socket buffer holds.
const BIG: u64 = 64 << 20;

/// A download that has begun, and whose rest waits for its reader.
fn begin_download(serving: &Serving) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(serving.addr()).expect("it listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let request = request("GET", "/big", &[]);
    socket.write_all(request.as_bytes()).expect("it takes the request");
    let mut first = vec![0; 100];
    socket.read_exact(&mut first).expect("the answer begins");
    (socket, first)
}

fn big_folder() -> Folder {
    let folder = Folder::new();
    folder.write_zeros("big", BIG);
    folder
}

#[test]
fn ctrl_c_lets_a_running_request_end() {
    let folder = big_folder();
    let serving = Serving::start(folder.argument(), &["--quiet"]);
    let (socket, first) = begin_download(&serving);
    serving.signal(Signal::INT);
    let line = serving.next_line();
    assert_eq!(line, "draining, 1 connection open, ctrl-c again to end now");
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(serving.addr()).is_ok() {
        assert!(Instant::now() < deadline, "it still accepts");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(read_answer(socket, first).body.len() as u64, BIG);
    assert_eq!(serving.end(), (Some(0), vec![]));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let folder = big_folder();
    let arguments = ["--quiet", "--drain-timeout", "1000"];
    let serving = Serving::start(folder.argument(), &arguments);
    let (_socket, _) = begin_download(&serving);
    serving.signal(Signal::INT);
    assert!(serving.next_line().starts_with("draining, "));
    serving.signal(Signal::INT);
    assert_eq!(serving.end(), (Some(1), vec![]));
}

#[test]
fn a_drain_ends_when_its_time_is_up() {
    let folder = big_folder();
    let arguments = ["--quiet", "--drain-timeout", "0.1"];
    let serving = Serving::start(folder.argument(), &arguments);
    let (mut socket, mut bytes) = begin_download(&serving);
    serving.signal(Signal::TERM);
    let (status, lines) = serving.end();
    assert_eq!(status, Some(0));
    assert_eq!(lines[1], "the drain's time is up: requests that still ran were cut short");
    // Whatever it ends with, the client does not take it for the whole file.
    let _ = socket.read_to_end(&mut bytes);
    assert!((bytes.len() as u64) < BIG);
}

#[test]
fn an_idle_connection_does_not_hold_the_end_up() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let serving = Serving::start(folder.argument(), &["--drain-timeout", "1000", "--json"]);
    let mut idle = TcpStream::connect(serving.addr()).expect("it listens");
    idle.set_read_timeout(Some(LIMIT)).expect("a timeout");
    idle.write_all(b"GET /a.txt HTTP/1.1\r\nhost: test\r\n\r\n").expect("it takes the request");
    // Its line in the log is written when the answer has been.
    assert!(serving.next_line().contains("request"));
    serving.signal(Signal::TERM);
    let (status, lines) = serving.end();
    assert_eq!(status, Some(0));
    let expected =
        [r#"{"connections":1,"event":"draining"}"#, r#"{"complete":true,"event":"drained"}"#];
    assert_eq!(lines, expected);
    assert_eq!(read_answer(idle, Vec::new()).text(), "text");
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    // Its port has to be known without a word from it that is read.
    let socket_path = folder.path("s.sock");
    let unix = format!("unix:{}", socket_path.display());
    let mut program = Program::start(&["serve", folder.argument(), "--listen", &unix]);
    let deadline = Instant::now() + LIMIT;
    let connect = || std::os::unix::net::UnixStream::connect(&socket_path);
    let ask = |target: &str| loop {
        match connect() {
            Ok(socket) => {
                socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
                return ask_on(socket, &request("GET", target, &[]));
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    // Far more than the pipe holds.
    let long = format!("/a.txt?{}", "x".repeat(8000));
    for _ in 0..40 {
        assert_eq!(ask(&long).status, 200);
    }
    program.signal(Signal::INT);
    assert_eq!(program.status().code(), Some(0));
}
