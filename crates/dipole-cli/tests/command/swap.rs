//! `dipole swap`, and the admin socket that it talks to.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::support::{Folder, LIMIT, Serving, get, run};

/// A server with an admin socket, and how that is named on the command line.
fn serving(folder: &Folder) -> (Serving, String) {
    let admin = format!("unix:{}", folder.path("admin.sock").display());
    let serving = Serving::start(folder.argument(), &["--quiet", "--admin", &admin]);
    (serving, admin)
}

#[test]
fn a_running_server_is_moved_to_another_library() {
    let folder = Folder::new();
    folder.write("file", b"hello");
    let (serving, admin) = serving(&folder);
    for _ in 0..3 {
        let swapped = run(&["swap", "--network", "tokio", "--admin", &admin]);
        let line = format!("swapped http://{} from tokio to tokio\n", serving.addr());
        assert_eq!((swapped.status, swapped.text(), &*swapped.stderr), (Some(0), &*line, ""));
        assert_eq!(get(serving.addr(), "/file", &[]).body, b"hello");
    }
    let swapped = run(&["swap", "--network", "tokio", "--admin", &admin, "--json"]);
    let answer: Value = serde_json::from_slice(&swapped.stdout).expect("JSON");
    assert_eq!(answer["from"], "tokio");
    assert_eq!(answer["to"], "tokio");
    assert_eq!(answer["listening"][0], format!("http://{}", serving.addr()));
}

#[test]
fn what_auto_came_to_is_told() {
    let folder = Folder::new();
    let (_serving, admin) = serving(&folder);
    let swap = |name| {
        let swapped = run(&["swap", "--network", name, "--admin", &admin, "--json"]);
        serde_json::from_slice::<Value>(&swapped.stdout).expect("JSON")
    };
    let chosen = swap("auto")["to"].clone();
    assert_ne!(chosen, "auto");
    assert_eq!(swap("tokio")["from"], chosen);
    let swapped = run(&["swap", "--network", "no such", "--admin", &admin]);
    assert!(swapped.failure(1).contains("no network library 'no such'"), "{swapped:?}");
}

#[test]
fn no_request_fails_while_the_library_changes() {
    let folder = Folder::new();
    folder.write("file", b"hello");
    let (serving, admin) = serving(&folder);
    let (addr, ended) = (serving.addr(), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients = [(); 4].map(|()| {
            scope.spawn(|| {
                let mut asked = 0;
                while !ended.load(Ordering::Relaxed) {
                    let answer = get(addr, "/file", &[]);
                    assert_eq!(answer.body, b"hello");
                    asked += 1;
                }
                asked
            })
        });
        for _ in 0..10 {
            assert_eq!(run(&["swap", "--network", "tokio", "--admin", &admin]).status, Some(0));
        }
        ended.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("every answer is right") > 0);
        }
    });
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let folder = Folder::new();
    let (serving, admin) = serving(&folder);
    let swap = |network: &str, admin: &str| run(&["swap", "--network", network, "--admin", admin]);
    let line = format!("{admin}: there is no network library 'epol'; there are: ");
    assert!(swap("epol", &admin).failure(1).starts_with(&line));
    let line = format!("{admin}: network library 'sim' lives inside one process");
    assert!(swap("sim", &admin).failure(1).starts_with(&line));
    let nobody = format!("unix:{}", folder.path("nobody").display());
    let ended = swap("tokio", &nobody);
    assert!(ended.failure(1).ends_with(&format!("is there a `dipole serve --admin {nobody}`?")));
    for wrong in ["127.0.0.1:80", "nonsense", "unix:"] {
        assert_eq!(swap("tokio", wrong).status, Some(2), "{wrong}");
    }
    assert_eq!(get(serving.addr(), "/", &[]).status, 200);
}

#[test]
fn the_admin_socket_is_its_owner_s_alone_and_goes_with_the_server() {
    let folder = Folder::new();
    let (serving, _) = serving(&folder);
    let path = folder.path("admin.sock");
    let mode = path.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let ask = |request: &str| {
        let mut socket = UnixStream::connect(&path).expect("it listens");
        socket.write_all(request.as_bytes()).expect("it takes the request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head[9..12].to_owned();
        (status, serde_json::from_str::<Value>(body).expect("JSON"))
    };
    let asked = |method: &str, target: &str| {
        ask(&format!("{method} {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"))
    };
    let (status, answer) = asked("GET", "/status");
    assert_eq!((&*status, &answer["network"]), ("200", &"tokio".into()));
    assert_eq!(answer["listening"][0], format!("http://{}", serving.addr()));
    assert!(answer["library"].is_null(), "it counts nothing: {answer}");
    // Where the machine does not allow io_uring, it stays as it is.
    if asked("POST", "/swap?network=uring").0 == "200" {
        assert_eq!(get(serving.addr(), "/", &[]).status, 200);
        let counted = asked("GET", "/status").1["library"].clone();
        for name in ["system_calls", "submissions", "completions", "turns", "batch"] {
            assert!(counted[name].as_f64().is_some_and(|n| n > 0.0), "{name}: {counted}");
        }
        for name in ["out_of_buffers", "copied_bytes", "zero_copy_sends"] {
            assert_eq!(counted[name], 0, "{name}: {counted}");
        }
        // The worker may not have let go of the request's buffer when its answer is there.
        let deadline = Instant::now() + LIMIT;
        while asked("GET", "/status").1["library"]["buffers_out"] != 0 {
            assert!(Instant::now() < deadline, "a buffer stays out");
        }
    }
    for (method, target, expected) in [
        ("GET", "/swap?network=tokio", "405"),
        ("POST", "/swap", "400"),
        ("POST", "/swap?network=", "400"),
        ("GET", "/nonsense", "404"),
    ] {
        let (status, answer) = asked(method, target);
        assert_eq!(status, expected, "{method} {target}");
        assert!(answer["error"].is_string(), "{answer}");
    }
    serving.signal(rustix::process::Signal::INT);
    assert_eq!(serving.end().0, Some(0));
    assert!(!path.exists());
}
