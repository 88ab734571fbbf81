//! Many connections that end in every way, and nothing of them left:
//! `cargo run --release -p dipole --example soak -- --connections 100000`.
//!
//! Server and clients are one process, so that its descriptors can be counted; the server has a
//! runtime of its own, so that its tasks can. Exit status 1 when a client saw what it should not
//! have, or when anything was left.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use dipole::net::{Addr, Conn, ConnExt, DialOptions, Dialer, Error, ErrorKind, Result};
use dipole::tokio::Tokio;
use dipole::{Admission, Body, BodyError, Drained, Server, ServerConfig, ServerHandle};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::service_fn;

/// What every deadline of the server is, so that running into one takes no longer than this.
const DEADLINE: Duration = Duration::from_millis(300);
/// How long a client waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Clients from here are refused before, or after, their connection is ready.
const REFUSED_AT_ACCEPT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const REFUSED_AT_CONNECT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 67);

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("usage: soak [--connections N] [--concurrency N]");
        return ExitCode::from(2);
    };
    match soak(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("soak: {text}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    connections: usize,
    concurrency: usize,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { connections: 100_000, concurrency: 300 };
        while let Some(word) = words.next() {
            let number = words.next()?.parse().ok().filter(|&number| number > 0)?;
            match &*word {
                "--connections" => options.connections = number,
                "--concurrency" => options.concurrency = number,
                _ => return None,
            }
        }
        Some(options)
    }
}

fn soak(options: &Options) -> Result<(), String> {
    let servers = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let servers = servers.map_err(|error| error.to_string())?;
    let clients = Builder::new_current_thread().enable_all().build();
    let clients = clients.map_err(|error| error.to_string())?;
    let server = servers.block_on(async { start() }).map_err(|error| error.to_string())?;

    // Whatever is made once is there before anything is counted.
    let each_way_twice = 2 * WAYS.len();
    clients.block_on(run(&server, each_way_twice, options.concurrency))?;
    let before = clients.block_on(settled(&server, servers.handle(), None));
    println!("before: {before}");
    let begin = Instant::now();
    let seen = clients.block_on(run(&server, options.connections, options.concurrency))?;
    let took = begin.elapsed();
    for (way, count) in seen {
        println!("{count:>8}  {way}");
    }
    let rate = options.connections as f64 / took.as_secs_f64();
    println!("{} connections in {took:.1?}, {rate:.0} a second", options.connections);
    println!("{:?}", server.stats());

    let after = clients.block_on(settled(&server, servers.handle(), Some(&before)));
    println!("after:  {after}");
    if !after.is_no_more_than(&before) {
        return Err("something was left".into());
    }
    let drained = clients.block_on(server.shutdown(PATIENCE));
    let descriptors = before.descriptors - server.local_addrs().len();
    let nothing = Left { connections: 0, tasks: 0, descriptors, resident_kib: 0 };
    let end = clients.block_on(settled(&server, servers.handle(), Some(&nothing)));
    println!("end:    {end}");
    if drained == Drained::Whole && end.is_no_more_than(&nothing) {
        return Ok(());
    }
    Err(format!("the server did not end as it should: {drained:?}"))
}

/// What there is of the server, and of the process.
struct Left {
    connections: u64,
    tasks: usize,
    descriptors: usize,
    resident_kib: usize,
}

impl Left {
    fn look(server: &ServerHandle, runtime: &Handle) -> Self {
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.trim().split(' ').next()?.parse().ok());
        Self {
            connections: server.stats().open_connections,
            tasks: runtime.metrics().num_alive_tasks(),
            descriptors,
            resident_kib: resident.unwrap_or_default(),
        }
    }

    /// Memory is shown and not judged: an allocator keeps what it has.
    fn is_no_more_than(&self, other: &Self) -> bool {
        self.connections <= other.connections
            && self.tasks <= other.tasks
            && self.descriptors <= other.descriptors
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { connections, tasks, descriptors, resident_kib } = self;
        write!(f, "{connections} connections open, {tasks} tasks of the server, ")?;
        write!(f, "{descriptors} descriptors, {resident_kib} KiB resident")
    }
}

/// Waits some seconds, until no connection is open and no more is there than `goal`.
async fn settled(server: &ServerHandle, runtime: &Handle, goal: Option<&Left>) -> Left {
    let begin = Instant::now();
    loop {
        let left = Left::look(server, runtime);
        let is_settled =
            left.connections == 0 && goal.is_none_or(|goal| left.is_no_more_than(goal));
        if is_settled || begin.elapsed() > Duration::from_secs(5) {
            return left;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

// The server.

fn start() -> Result<ServerHandle> {
    let mut config = ServerConfig::default();
    config.header_timeout = Some(DEADLINE);
    config.body_timeout = Some(DEADLINE);
    config.idle_timeout = Some(DEADLINE);
    config.write_timeout = Some(DEADLINE);
    // Later than that of a body, so that each has its turn.
    config.request_timeout = Some(2 * DEADLINE);
    config.linger_timeout = DEADLINE;
    config.max_body_bytes = Some(1_000_000);
    let large = Bytes::from(vec![b'x'; 32 << 20]);
    let service = service_fn(move |request| handle(request, large.clone()));
    let refuses = |refused: Ipv4Addr, peer: &Addr| match peer.ip() {
        Some(SocketAddr::V4(peer)) if *peer.ip() == refused => Admission::Refuse,
        _ => Admission::Admit,
    };
    Server::new(service)
        .config(config)
        .on_accept(move |peer| refuses(REFUSED_AT_ACCEPT, peer))
        .on_connect(move |info| refuses(REFUSED_AT_CONNECT, info.peer_addr()))
        .listen("127.0.0.1:0", Tokio::new())
        .spawn()
}

async fn handle(request: Request<Body>, large: Bytes) -> Result<Response<Body>, &'static str> {
    let body = match request.uri().path() {
        "/panic" => resume_unwind(Box::new("asked for")),
        "/error" => return Err("asked for"),
        "/never" => std::future::pending().await,
        "/large" => Body::from(large),
        "/endless" => Body::new(Pieces { left: usize::MAX, end: End::Ends }),
        "/fails" => Body::new(Pieces { left: 3, end: End::Fails }),
        "/panics" => Body::new(Pieces { left: 3, end: End::Panics }),
        "/stops" => Body::new(Pieces { left: 3, end: End::Stops }),
        "/stream" => Body::new(Pieces { left: 3, end: End::Ends }),
        "/echo" => request.into_body(),
        "/read" => {
            let read = axum::body::to_bytes(axum::body::Body::new(request.into_body()), usize::MAX);
            Body::from(read.await.map_err(|_| "half a body")?.len().to_string())
        }
        _ => Body::from("hello"),
    };
    Ok(Response::new(body))
}

/// A body of so many pieces.
struct Pieces {
    left: usize,
    end: End,
}

/// How a body ends.
#[derive(Clone, Copy)]
enum End {
    Ends,
    Fails,
    Panics,
    /// Never gives anything more.
    Stops,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left > 0 {
            self.left -= 1;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))));
        }
        match self.end {
            End::Ends => Poll::Ready(None),
            End::Fails => Poll::Ready(Some(Err(BodyError::Cancelled))),
            End::Panics => resume_unwind(Box::new("asked for")),
            End::Stops => Poll::Pending,
        }
    }
}

// The clients.

/// A way for a connection to go and to end.
struct Way {
    name: &'static str,
    from: Option<Ipv4Addr>,
    /// What the client sends at first.
    sends: &'static str,
    /// The statuses of the answers that it waits for.
    answers: &'static [u16],
    /// What it does, or waits for, then.
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The client closes.
    Close,
    /// The client breaks off.
    Reset,
    /// The client ends its side and waits for the server's end.
    HalfClose,
    /// The client waits for the server's end.
    Wait,
    /// The client waits for the server to break off, reading on.
    WaitForReset,
    /// The client reads a little and then closes.
    ReadAndClose,
    /// The client reads nothing until the server must have broken off.
    ReadNothing,
}

macro_rules! way {
    ($name:literal, $sends:expr, $answers:expr, $then:ident) => {
        Way { name: $name, from: None, sends: $sends, answers: &$answers, then: Then::$then }
    };
}

const KEEP_ALIVE: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

const WAYS: &[Way] = &[
    way!("no request, closed", "", [], Close),
    way!("no request, reset", "", [], Reset),
    way!("no request, half-closed", "", [], HalfClose),
    way!("no request until the deadline", "", [], Wait),
    way!("one request, closed", KEEP_ALIVE, [200], Close),
    way!("one request, reset", KEEP_ALIVE, [200], Reset),
    way!("one request, half-closed", KEEP_ALIVE, [200], HalfClose),
    way!("one request, idle until the deadline", KEEP_ALIVE, [200], Wait),
    way!("answers that are not waited for", KEEP_ALIVE, [], Close),
    way!(
        "connection: close",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        [200],
        Wait
    ),
    way!("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", [200], Wait),
    way!(
        "pipelined, closed",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n\
         GET /stream HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        [200, 200, 200, 200],
        Close
    ),
    way!(
        "pipelined, broken off in the middle",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /never HTTP/1.1\r\nhost: a\r\n\r\n\
         GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        [200],
        Reset
    ),
    way!("half a head until the deadline", "GET / HTTP/1.1\r\n", [408], Wait),
    way!("half a head, closed", "GET / HTTP/1.1\r\n", [], Close),
    way!("half a head, half-closed", "GET / HTTP/1.1\r\n", [], HalfClose),
    way!("a handler, closed", "GET /never HTTP/1.1\r\nhost: a\r\n\r\n", [], Close),
    way!("a handler, reset", "GET /never HTTP/1.1\r\nhost: a\r\n\r\n", [], Reset),
    way!("a handler, half-closed", "GET /never HTTP/1.1\r\nhost: a\r\n\r\n", [], HalfClose),
    way!("a handler until the deadline", "GET /never HTTP/1.1\r\nhost: a\r\n\r\n", [503], Wait),
    way!("a handler that panics", "GET /panic HTTP/1.1\r\nhost: a\r\n\r\n", [500], Wait),
    way!("a handler that fails", "GET /error HTTP/1.1\r\nhost: a\r\n\r\n", [500], Wait),
    way!("an answer that fails", "GET /fails HTTP/1.1\r\nhost: a\r\n\r\n", [], WaitForReset),
    way!("an answer that panics", "GET /panics HTTP/1.1\r\nhost: a\r\n\r\n", [], WaitForReset),
    way!("an answer that stops", "GET /stops HTTP/1.1\r\nhost: a\r\n\r\n", [], ReadAndClose),
    way!("an endless answer", "GET /endless HTTP/1.1\r\nhost: a\r\n\r\n", [], ReadAndClose),
    way!("an answer nobody reads", "GET /large HTTP/1.1\r\nhost: a\r\n\r\n", [], ReadNothing),
    way!(
        "a body, read",
        "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
        [200],
        Close
    ),
    way!(
        "a body, sent back",
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
        [200],
        Close
    ),
    way!(
        "half a body, closed",
        "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 99999\r\n\r\nhalf",
        [],
        Close
    ),
    way!(
        "half a body, reset",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 99999\r\n\r\nhalf",
        [],
        Reset
    ),
    way!(
        "half a body, half-closed",
        "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 99999\r\n\r\nhalf",
        [],
        HalfClose
    ),
    way!(
        "half a body until the deadline",
        "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 99999\r\n\r\nhalf",
        [408],
        Wait
    ),
    way!(
        "half a body that nobody reads",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999\r\n\r\nhalf",
        [200],
        Wait
    ),
    way!(
        "a body beyond what is thrown away",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 999999\r\n\r\nhalf",
        [200],
        Wait
    ),
    way!(
        "a body that is too large",
        "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999\r\n\r\nhalf",
        [413],
        Wait
    ),
    way!(
        "a body that is not asked for",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        [200],
        Wait
    ),
    way!(
        "a body that is asked for and does not come",
        "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        [100, 408],
        Wait
    ),
    way!("a bad request", "GET / HTTP/1.1\r\n\r\n", [400], Wait),
    way!("a bad request, closed", "\x16\x03\x01\x02", [], Close),
    way!(
        "a bad chunk",
        "POST /read HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
        [400],
        Wait
    ),
    Way {
        name: "refused at accept",
        from: Some(REFUSED_AT_ACCEPT),
        sends: "",
        answers: &[],
        then: Then::Wait,
    },
    Way {
        name: "refused at connect",
        from: Some(REFUSED_AT_CONNECT),
        sends: "",
        answers: &[],
        then: Then::Wait,
    },
];

/// Makes so many connections, so many at a time; gives how many went each way.
async fn run(
    server: &ServerHandle,
    connections: usize,
    concurrency: usize,
) -> Result<BTreeMap<&'static str, usize>, String> {
    let addr = Arc::new(server.local_addrs()[0].clone());
    let network = Tokio::new();
    let mut running = JoinSet::new();
    let mut seen = BTreeMap::new();
    let mut left = connections;
    while left > 0 || !running.is_empty() {
        if left > 0 && running.len() < concurrency {
            left -= 1;
            let way = &WAYS[left % WAYS.len()];
            let (network, addr) = (network.clone(), Arc::clone(&addr));
            running.spawn(async move {
                let gone = timeout(PATIENCE, way.go(&network, &addr, left)).await;
                let gone = gone.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
                gone.map(|()| way.name).map_err(|error| format!("{}: {error}", way.name))
            });
            continue;
        }
        if let Some(ended) = running.join_next().await {
            *seen.entry(ended.map_err(|error| error.to_string())??).or_default() += 1;
        }
    }
    Ok(seen)
}

impl Way {
    async fn go(&self, network: &Tokio, addr: &Addr, number: usize) -> Result<()> {
        let mut options = DialOptions::default();
        // Many addresses: one alone would run out of ports that are not in TIME_WAIT.
        let [high, low] = ((number % 10_000 + 256) as u16).to_be_bytes();
        let from = self.from.unwrap_or(Ipv4Addr::new(127, 1, high, low));
        options.local = Some((from, 0).into());
        let dialled = network.dial_connection(addr, &options).await?;
        let mut conn = dialled.into_bytes().ok_or(ErrorKind::Unsupported)?;
        let conn = &mut *conn;
        conn.write_all(self.sends.as_bytes()).await?;
        for expected in self.answers {
            let status = read_answer(conn).await?;
            if status != StatusCode::from_u16(*expected).unwrap_or_default() {
                return Err(unexpected(format!("{status}, expected {expected}")));
            }
        }
        self.then(conn).await
    }

    async fn then(&self, conn: &mut dyn Conn) -> Result<()> {
        match self.then {
            Then::Close => conn.close(),
            Then::Reset => conn.reset(),
            Then::ReadAndClose => {
                conn.peek(10_000).await?;
                conn.close();
            }
            Then::HalfClose => {
                conn.shutdown().await?;
                expect_end(conn, &[ErrorKind::Eof]).await?;
            }
            Then::Wait => expect_end(conn, &[ErrorKind::Eof]).await?,
            Then::WaitForReset => expect_end(conn, &[ErrorKind::Reset]).await?,
            Then::ReadNothing => {
                // From when the answer has begun, and with time for a server that is busy.
                conn.peek(1).await?;
                sleep(4 * DEADLINE).await;
                expect_end(conn, &[ErrorKind::Reset]).await?;
            }
        }
        Ok(())
    }
}

/// Reads to the end of the connection, which is to be of one of these kinds.
async fn expect_end(conn: &mut dyn Conn, kinds: &[ErrorKind]) -> Result<()> {
    loop {
        let held = conn.len();
        conn.skip(held)?;
        conn.release();
        match conn.peek(1).await {
            Ok(_) => {}
            Err(error) if kinds.contains(error.kind()) => return Ok(()),
            Err(error) => return Err(error.context("at the end of the connection")),
        }
    }
}

/// Reads one answer, and gives its status.
async fn read_answer(conn: &mut dyn Conn) -> Result<StatusCode> {
    loop {
        if let Some((status, length)) = parse_answer(conn.buffered()) {
            conn.skip(length)?;
            return Ok(status);
        }
        let more = conn.buffered().len() + 1;
        conn.peek(more).await.map_err(|error| error.context("in an answer"))?;
    }
}

/// The status and the length of the answer at the start of `bytes`, when it is whole.
fn parse_answer(bytes: &[u8]) -> Option<(StatusCode, usize)> {
    let find = |what: &[u8]| bytes.windows(what.len()).position(|found| found == what);
    let head_length = find(b"\r\n\r\n")? + 4;
    let status = StatusCode::from_bytes(bytes.get(9..12)?).ok()?;
    if status.is_informational() {
        return Some((status, head_length));
    }
    let head = std::str::from_utf8(&bytes[..head_length]).ok()?;
    let length = match head.split("content-length: ").nth(1) {
        Some(rest) => head_length + rest.split("\r\n").next()?.parse::<usize>().ok()?,
        None => find(b"\r\n0\r\n\r\n")? + 7,
    };
    (bytes.len() >= length).then_some((status, length))
}

fn unexpected(what: String) -> Error {
    Error::with_message(ErrorKind::InvalidInput, what)
}
