//! `dipole serve`: where it listens.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Folder, LIMIT, Serving, ask_on, get, request, run};

#[test]
fn it_listens_on_several_addresses_at_once() {
    let folder = Folder::with(&[("a.txt", b"text")]);
    let path = folder.path("s.sock");
    let unix = format!("unix:{}", path.display());
    let arguments = [
        "serve",
        folder.argument(),
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "localhost:0",
        "--listen",
        &unix,
    ];
    let serving = Serving::listening(&arguments, 3);
    let lines = serving.lines();
    assert!(lines[0].starts_with("listening on http://127.0.0.1:"), "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with(" (tokio)")), "{lines:?}");
    assert_eq!(lines[2], format!("listening on http+unix://{} (tokio)", path.display()));
    for line in &lines[..2] {
        let addr = line.trim_start_matches("listening on http://").trim_end_matches(" (tokio)");
        assert_eq!(get(addr, "/a.txt", &[]).text(), "text", "{line}");
    }
    let socket = UnixStream::connect(&path).expect("it listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
    assert_eq!(ask_on(socket, &request("GET", "/a.txt", &[])).text(), "text");

    serving.signal(Signal::INT);
    let (status, _) = serving.end();
    assert_eq!((status, path.exists()), (Some(0), false));
}

#[cfg(target_os = "linux")]
#[test]
fn it_listens_on_an_abstract_name() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    let folder = Folder::with(&[("a.txt", b"text")]);
    let name = format!("dipole-test-{}", std::process::id());
    let unix = format!("unix:@{name}");
    let serving = Serving::listening(&["serve", folder.argument(), "--listen", &unix], 1);
    assert_eq!(serving.lines(), [format!("listening on http+unix://@{name} (tokio)")]);
    let addr = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = UnixStream::connect_addr(&addr).expect("it listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
    assert_eq!(ask_on(socket, &request("GET", "/a.txt", &[])).text(), "text");
}

#[test]
fn machines_are_told_in_json() {
    let folder = Folder::new();
    let serving = Serving::start(folder.argument(), &["--json"]);
    let event: Value = serde_json::from_str(&serving.lines()[0]).expect("an object");
    let expected = serde_json::json!({
        "event": "listening",
        "url": format!("http://{}", serving.addr()),
        "address": serving.addr(),
        "network": "tokio",
    });
    assert_eq!(event, expected);
}

#[test]
fn a_taken_port_is_told_in_one_line() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("an address").to_string();
    let ended = run(&["serve", folder.argument(), "--listen", &addr]);
    let line = ended.failure(1);
    assert!(line.starts_with(&format!("cannot listen on {addr}: the address is in use")), "{line}");
    assert!(line.ends_with("; choose another with --listen"), "{line}");
    assert_eq!(ended.text(), "");
}

#[test]
fn an_address_that_cannot_be_had_is_told_in_one_line() {
    let folder = Folder::new();
    for (addr, why) in [
        ("nonsense", "is not an address"),
        ("127.0.0.1:99999", "is not an address"),
        ("192.0.2.1:80", "not one of this machine"),
        ("unix:/no/such/folder/s.sock", "make the socket's folder first"),
        ("sim:alpha:80", "not supported"),
    ] {
        let ended = run(&["serve", folder.argument(), "--listen", addr]);
        let line = ended.failure(1);
        assert!(line.contains(addr) && line.contains(why), "{line}");
    }
}

#[test]
fn a_folder_that_cannot_be_served_is_told_in_one_line() {
    let folder = Folder::with(&[("file", b"")]);
    let file = folder.path("file");
    let missing = folder.path("missing");
    for path in [file, missing] {
        let path = path.to_str().expect("it is UTF-8");
        let ended = run(&["serve", path, "--listen", "127.0.0.1:0"]);
        assert!(ended.failure(1).starts_with(&format!("cannot serve {path}: ")), "{ended:?}");
    }
}
