//! `dipole get`: what goes wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Canned, Folder, LIMIT, Program, Serving, run};

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let ended = run(&["get", &addr]);
    let line = ended.failure(1);
    assert!(line.starts_with(&format!("cannot connect to {addr}: connection refused")), "{line}");
}

#[test]
fn the_host_or_the_socket_does_not_exist() {
    let ended = run(&["get", "http://no.such.host.invalid/"]);
    assert!(ended.failure(1).contains("no.such.host.invalid"), "{ended:?}");
    let ended = run(&["get", "--unix-socket", "/no/such.sock", "http://x/"]);
    assert!(ended.failure(1).contains("/no/such.sock"), "{ended:?}");
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let server = Canned::answering(answer);
        let ended = run(&["get", &server.url("/")]);
        assert!(ended.failure(1).contains("after 5 "), "{ended:?}");
        assert_eq!(ended.text(), "hello");
    }
    for answer in ["", "HTTP/1.1 200", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nbad header\r\n\r\n"]
    {
        let server = Canned::answering(answer);
        let ended = run(&["get", &server.url("/")]);
        assert!(!ended.failure(1).is_empty(), "{ended:?}");
    }
}

#[test]
fn a_file_says_that_it_is_incomplete() {
    let folder = Folder::new();
    let path = folder.path("part");
    let path = path.to_str().expect("it is UTF-8");
    let server = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
    let ended = run(&["get", &server.url("/"), "-o", path]);
    assert!(ended.failure(1).ends_with(&format!("{path} is incomplete")), "{ended:?}");
    assert_eq!(std::fs::read(path).expect("a file"), b"hello");
}

#[test]
fn time_is_up() {
    let silent = Canned::serving(|mut socket| {
        // Until the client goes.
        let _ = socket.read(&mut [0]);
    });
    let began = Instant::now();
    let ended = run(&["get", &silent.url("/"), "--max-time", "0.2"]);
    assert_eq!(ended.failure(1), "0.2 seconds were not enough (--max-time)");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());

    let slow = Canned::serving(|mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
        let _ = socket.read(&mut [0]);
    });
    let ended = run(&["get", &slow.url("/"), "--max-time", "0.2"]);
    assert!(ended.failure(1).starts_with("0.2 seconds were not enough"), "{ended:?}");
    assert_eq!(ended.text(), "hello");
}

#[test]
fn pieces_come_as_they_are_sent() {
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let server = Canned::serving(move |mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
        let _ = may_go_on.recv_timeout(LIMIT);
        let _ = socket.write_all(b"world");
    });
    let mut program = Program::start(&["get", &server.url("/")]);
    let mut stdout = program.take_stdout();
    let mut first = [0; 5];
    stdout.read_exact(&mut first).expect("the first piece");
    assert_eq!(&first, b"hello");
    go_on.send(()).expect("it waits");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("a text");
    assert_eq!(rest, "world");
    assert_eq!(program.end().status, Some(0));
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let folder = Folder::new();
    folder.write_zeros("big", 64 << 20);
    let serving = Serving::start(folder.argument(), &["--quiet"]);
    let mut program = Program::start(&["get", &format!("http://{}/big", serving.addr())]);
    let mut stdout = program.take_stdout();
    stdout.read_exact(&mut [0; 10]).expect("it begins");
    drop(stdout);
    let ended = program.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let server = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let ended = run(&["get", &server.url("/"), "-o", "/dev/full"]);
    let line = ended.failure(1);
    assert!(line.starts_with("cannot write /dev/full: No space left on device"), "{line}");

    let server = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let url = server.url("/");
    let mut command = Program::command(&["get", &url]);
    let ended = Program::spawn(command.stdout(Stdio::from(full))).end();
    assert!(ended.failure(1).starts_with("cannot write to stdout: No space left"), "{ended:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let server = Canned::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    let ended = run(&["get", &server.url("/"), "-o", "/no/such/folder/file"]);
    assert!(ended.failure(1).starts_with("cannot write /no/such/folder/file: "), "{ended:?}");
}

#[test]
fn data_that_cannot_be_read_is_told() {
    for data in ["@/no/such/file", "@/"] {
        let ended = run(&["get", "http://127.0.0.1:1/", "-d", data]);
        assert!(ended.failure(1).starts_with("cannot read /"), "{ended:?}");
    }
}

#[test]
fn what_is_written_wrong_is_wrong_usage() {
    for arguments in [
        &["get", "ftp://x/"][..],
        &["get", "http://x:port/"],
        &["get", "http://user:password@x/"],
        &["get", "x", "-H", "no colon"],
        &["get", "x", "-X", "two words"],
        &["get", "x", "--unix-socket", "@"],
        &["get", "x", "--network", "nonsense"],
    ] {
        assert!(!run(arguments).failure(2).is_empty(), "{arguments:?}");
    }
    assert!(run(&["get", "x", "--network", "sim"]).failure(1).contains("reaches no other"));
}

/// What is slow is not what is tested: a pause far above it would be a fault.
#[test]
fn the_end_of_an_answer_is_not_waited_for() {
    let server = Canned::serving(|mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        // The connection stays open until the client closes it.
        let _ = socket.set_read_timeout(Some(LIMIT * 10));
        let _ = socket.read(&mut [0]);
    });
    let began = Instant::now();
    assert_eq!(run(&["get", &server.url("/")]).text(), "hello");
    assert!(began.elapsed() < LIMIT - Duration::from_secs(5), "{:?}", began.elapsed());
}
