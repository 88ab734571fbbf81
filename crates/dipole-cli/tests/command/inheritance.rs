//! `dipole serve` with sockets that somebody else has opened: the service manager, or the process
//! before it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::{Folder, LIMIT, Program, Serving, get, run};

/// A process that nobody here has started; ended when dropped.
struct Heir(Pid);

impl Heir {
    /// The one that `serving` says it has handed over to.
    fn of(serving: &Serving) -> Self {
        let line = serving.next_line();
        let process = line.strip_prefix("handed over to process ").expect("a hand-over");
        let process = process.parse().ok().and_then(Pid::from_raw);
        Self(process.expect("a process id"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).expect("it is there");
    }

    /// Waits until it has ended.
    fn end(&self) {
        let deadline = Instant::now() + LIMIT;
        while test_kill_process(self.0).is_ok() && !is_zombie(self.0) {
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Whose parent has gone may never be waited for.
fn is_zombie(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

/// A server whose listening socket is descriptor 3, as the service manager would start it.
fn activated(socket: OwnedFd, folder: &Folder) -> Serving {
    let program = env!("CARGO_BIN_EXE_dipole");
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, program, "serve", folder.argument(), "--quiet"]);
    command.stdin(socket).stdout(Stdio::piped()).stderr(Stdio::piped());
    Serving::spawned(Program::spawn(&mut command), 1)
}

#[test]
fn the_service_manager_s_socket_is_served() {
    let folder = Folder::with(&[("file", b"hello")]);
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = socket.local_addr().expect("an address").to_string();
    let serving = activated(socket.into(), &folder);
    assert_eq!(serving.lines(), [format!("listening on http://{addr} (tokio)")]);
    assert_eq!(get(&addr, "/file", &[]).body, b"hello");
    serving.signal(Signal::INT);
    assert_eq!(serving.end().0, Some(0));
}

#[test]
fn the_service_manager_s_path_stays() {
    let folder = Folder::with(&[("file", b"hello")]);
    let path = folder.path("activated.sock");
    let socket = UnixListener::bind(&path).expect("a path");
    let serving = activated(socket.into(), &folder);
    let got = run(&["get", "--unix-socket", path.to_str().expect("a text"), "http://a/file"]);
    assert_eq!(got.text(), "hello");
    serving.signal(Signal::INT);
    assert_eq!(serving.end().0, Some(0));
    assert!(path.exists());
}

#[test]
fn a_new_process_goes_on_and_no_request_fails() {
    let folder = Folder::with(&[("file", b"hello")]);
    let serving = Serving::start(folder.argument(), &["--quiet"]);
    let (addr, ended) = (serving.addr().to_owned(), AtomicBool::new(false));
    let heir = thread::scope(|scope| {
        let clients = [(); 4].map(|()| {
            scope.spawn(|| {
                let mut asked = 0;
                while !ended.load(Ordering::Relaxed) {
                    assert_eq!(get(&addr, "/file", &[]).body, b"hello");
                    asked += 1;
                }
                asked
            })
        });
        serving.signal(Signal::USR2);
        let heir = Heir::of(&serving);
        assert_eq!(serving.status(), Some(0));
        ended.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.join().expect("every answer is right") > 0);
        }
        heir
    });
    assert_eq!(get(&addr, "/file", &[]).body, b"hello");
    heir.signal(Signal::INT);
    heir.end();
    assert!(std::net::TcpStream::connect(&addr).is_err(), "nobody listens any more");
}

#[test]
fn paths_and_the_admin_socket_go_along() {
    let folder = Folder::with(&[("file", b"hello")]);
    let (site, admin) = (folder.path("site.sock"), folder.path("admin.sock"));
    let (site_arg, admin_arg) =
        (format!("unix:{}", site.display()), format!("unix:{}", admin.display()));
    let arguments = ["serve", folder.argument(), "--quiet", "--listen", &site_arg];
    let serving = Serving::listening(&[&arguments[..], &["--admin", &admin_arg]].concat(), 1);
    serving.signal(Signal::USR2);
    let heir = Heir::of(&serving);
    assert_eq!(serving.status(), Some(0));

    let got = run(&["get", "--unix-socket", site.to_str().expect("a text"), "http://a/file"]);
    assert_eq!((got.status, got.text()), (Some(0), "hello"));
    let swapped = run(&["swap", "--network", "tokio", "--admin", &admin_arg]);
    assert_eq!(swapped.status, Some(0), "{swapped:?}");
    heir.signal(Signal::INT);
    heir.end();
    assert!(!site.exists() && !admin.exists());
}

#[test]
fn a_server_whose_heir_does_not_come_up_serves_on() {
    let gone = Folder::with(&[("file", b"hello")]);
    let serving = Serving::start(gone.argument(), &["--quiet"]);
    // The new process does not find the folder that it is to serve.
    drop(gone);
    serving.signal(Signal::USR2);
    let lines = [serving.next_line(), serving.next_line()];
    assert!(lines.iter().any(|line| line.starts_with("dipole: ")), "{lines:?}");
    let why = "not handed over: the ";
    assert!(
        lines.iter().any(|line| line.starts_with(why) && line.contains(" process has ended")),
        "{lines:?}"
    );
    assert_eq!(get(serving.addr(), "/file", &[]).status, 404);
    serving.signal(Signal::INT);
    assert_eq!(serving.end().0, Some(0));
}

#[test]
fn taking_over_without_anybody_to_take_over_from_fails() {
    let mut ended = Program::command(&["serve", "--take-over"]);
    let ended = Program::spawn(ended.stdin(Stdio::null()).stdout(Stdio::piped())).end();
    let line = "cannot take over from an earlier process: ";
    assert!(ended.failure(1).starts_with(line), "{ended:?}");
}
