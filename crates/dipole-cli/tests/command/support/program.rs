//! The program that is tested, as a process that never outlives its test.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::LIMIT;

/// A process; killed when dropped.
pub(crate) struct Program {
    child: Child,
}

impl Program {
    /// Starts `dipole` with its three streams piped.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::spawn(Self::command(arguments).stdout(Stdio::piped()))
    }

    /// `dipole` with its stdin and stderr piped, for [`spawn`](Self::spawn).
    pub(crate) fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dipole"));
        command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self { child: command.spawn().expect("the program starts") }
    }

    /// Writes all of its stdin, from another thread.
    pub(crate) fn feed(&mut self, input: Vec<u8>) {
        let mut stdin = self.child.stdin.take().expect("a piped stdin");
        // A program that ends early is seen by its status.
        thread::spawn(move || drop(stdin.write_all(&input)));
    }

    /// Its stdout, to be read while it runs.
    pub(crate) fn take_stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("a piped stdout")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("the process is there");
    }

    /// Its exit status, once it has ended.
    pub(crate) fn status(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that it printed, once it has ended.
    pub(crate) fn end(mut self) -> Ended {
        self.child.stdin = None;
        let stdout = self.child.stdout.take().map(gather);
        let stderr = self.child.stderr.take().map(gather);
        let status = self.status().code();
        let received = |bytes: Option<Receiver<Vec<u8>>>| {
            bytes.map_or(Vec::new(), |bytes| bytes.recv_timeout(LIMIT).expect("its output ends"))
        };
        let stderr = String::from_utf8(received(stderr)).expect("a text");
        Ended { status, stdout: received(stdout), stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// What a program that has ended leaves.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("a text")
    }

    /// The one line that it failed with.
    #[track_caller]
    pub(crate) fn failure(&self, status: i32) -> &str {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.stderr.matches('\n').count(), 1, "{self:?}");
        self.stderr.strip_prefix("dipole: ").expect("it says who speaks").trim_end()
    }
}

/// Runs `dipole` to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    Program::start(arguments).end()
}

/// `dipole serve` that has said where it listens.
pub(crate) struct Serving {
    program: Program,
    stdout: Vec<String>,
    stderr: Receiver<String>,
}

impl Serving {
    /// Serves on one free port of the loopback address.
    pub(crate) fn start(dir: &str, arguments: &[&str]) -> Self {
        let common = ["serve", dir, "--workers", "1", "--listen", "127.0.0.1:0"];
        Self::listening(&[&common, arguments].concat(), 1)
    }

    /// Serves, and waits until it says that it listens on so many addresses.
    pub(crate) fn listening(arguments: &[&str], addresses: usize) -> Self {
        Self::spawned(Program::start(arguments), addresses)
    }

    /// Waits until a program says that it listens on so many addresses.
    pub(crate) fn spawned(mut program: Program, addresses: usize) -> Self {
        let stdout = lines(program.child.stdout.take().expect("a piped stdout"));
        let stderr = lines(program.child.stderr.take().expect("a piped stderr"));
        let line = |_| match stdout.recv_timeout(LIMIT) {
            Ok(line) => line,
            Err(_) => panic!("it does not listen: {:?}", stderr.try_iter().collect::<Vec<_>>()),
        };
        let stdout = (0..addresses).map(line).collect();
        Self { program, stdout, stderr }
    }

    /// What it says of where it listens, a line an address.
    pub(crate) fn lines(&self) -> &[String] {
        &self.stdout
    }

    /// The host and port of the first address that has them.
    pub(crate) fn addr(&self) -> &str {
        self.stdout
            .iter()
            .find_map(|line| {
                let (_, url) = line.split_once("http://")?;
                url.split([' ', '"']).next()
            })
            .expect("a TCP address")
    }

    /// The next line on stderr: of the log, mostly.
    pub(crate) fn next_line(&self) -> String {
        self.stderr.recv_timeout(LIMIT).expect("a line on stderr")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Its exit status, once it has ended; others may hold its stderr open.
    pub(crate) fn status(mut self) -> Option<i32> {
        self.program.status().code()
    }

    /// Its exit status and what else it wrote on stderr, once it has ended.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let status = self.program.status().code();
        let mut rest = Vec::new();
        while let Ok(line) = self.stderr.recv_timeout(LIMIT) {
            rest.push(line);
        }
        (status, rest)
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
