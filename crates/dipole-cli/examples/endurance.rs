//! Very many requests on connections that end in every way, with every byte of every answer known:
//! `cargo run --release -p dipole-cli --example endurance -- --network uring --requests 20000000`.
//!
//! What a request is answered follows from numbers that it carries, so each answer is checked byte by
//! byte and a byte of another one is found. Connections close, reset, half-close and are dropped with
//! requests and answers under way, and reads are given up at random and begun again. Exit status 1
//! when a byte was lost or foreign, or when anything was left or has grown.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use dipole::net::{Addr, Conn, ConnExt, DialOptions, ErrorKind, Result};
use dipole::{Body, Drained, Server, ServerConfig, ServerHandle};
use dipole_cli::networks::{self, Network};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Requests and connections without end, and nothing lost.
#[derive(Debug, Parser)]
struct Args {
    /// The network library of both ends
    #[arg(long, value_name = "NAME", default_value = "tokio")]
    network: String,
    /// Requests that are answered whole before it ends
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    requests: u64,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: u64,
    /// Of all that is random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the process may grow by from a tenth of the way to its end, in KiB.
const MOST_GROWTH: u64 = 8 * 1024;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("endurance: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> std::result::Result<(), String> {
    let network = networks::find(&args.network).map_err(|failure| failure.to_string())?;
    let mut config = ServerConfig::default();
    config.max_body_bytes = Some(1 << 20);
    let server = Server::new(tower::service_fn(answer))
        .config(config)
        .listen_with("127.0.0.1:0", network.transport.clone(), Default::default())
        .workers(1)
        .start()
        .map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;

    // Whatever is made once is there before anything is counted.
    let warm_up = (args.requests / 10).max(1);
    let begin = Instant::now();
    let mut seen = runtime.block_on(load(&server, &network, args, 0, warm_up))?;
    let before = runtime.block_on(settled(&server, None));
    println!("a tenth: {before}");
    let rest = args.requests.saturating_sub(warm_up).max(1);
    seen.add(&runtime.block_on(load(&server, &network, args, 1 << 40, rest))?);
    let took = begin.elapsed();
    let rate = seen.requests as f64 / took.as_secs_f64();
    println!("{seen}\nin {took:.1?}, {rate:.0} requests a second; {:?}", server.stats());
    if let Some(figures) = &network.figures {
        println!("{}", figures());
    }
    let after = runtime.block_on(settled(&server, Some(&before)));
    println!("the end: {after}");
    if after.connections > 0 || after.descriptors > before.descriptors {
        return Err("something was left".into());
    }
    if after.resident > before.resident + MOST_GROWTH {
        return Err(format!("memory has grown by {} KiB", after.resident - before.resident));
    }
    match runtime.block_on(server.shutdown(PATIENCE)) {
        Drained::Whole => Ok(()),
        drained => Err(format!("the server did not end as it should: {drained:?}")),
    }
}

// The server.

/// `/SEED/LENGTH` answers the bytes of that seed; a body is sent back.
async fn answer(request: Request<Body>) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let mut parts = request.uri().path().split('/').skip(1).map(str::parse::<u64>);
    let body = match (parts.next(), parts.next()) {
        (Some(Ok(seed)), Some(Ok(length))) => Bytes::from(content(seed, length as usize)),
        _ => request.into_body().collect().await.map_or(Bytes::new(), |body| body.to_bytes()),
    };
    Ok(Response::new(Full::new(body)))
}

/// The bytes of a seed.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(8) as u64).map(|at| word(seed, at).to_le_bytes());
    let mut bytes: Vec<u8> = words.flatten().collect();
    bytes.truncate(length);
    bytes
}

fn word(seed: u64, at: u64) -> u64 {
    (seed ^ (at << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn is_content(seed: u64, bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let last = word(seed, words.len() as u64).to_le_bytes();
    (0..).zip(words).all(|(at, bytes)| u64::from_le_bytes(*bytes) == word(seed, at))
        && last.starts_with(rest)
}

// The clients.

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    requests: u64,
    bytes: u64,
    connections: u64,
    /// Reads that were given up and begun again.
    given_up: u64,
    ends: [u64; ENDS.len()],
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    HalfClosed,
    /// Dropped before any answer was read.
    Unread,
    /// Dropped in the middle of an answer.
    InAnAnswer,
    /// Dropped in the middle of a request.
    InARequest,
}

const ENDS: [End; 6] =
    [End::Closed, End::Reset, End::HalfClosed, End::Unread, End::InAnAnswer, End::InARequest];

impl Seen {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.connections += other.connections;
        self.given_up += other.given_up;
        self.ends.iter_mut().zip(other.ends).for_each(|(mine, other)| *mine += other);
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { requests, bytes, connections, given_up, ends } = self;
        writeln!(f, "{requests} requests, {bytes} bytes of bodies, each as it had to be")?;
        write!(f, "{connections} connections, {given_up} reads given up and begun again; ")?;
        let ends = ENDS.iter().zip(ends).map(|(end, count)| format!("{end:?} {count}"));
        f.write_str(&ends.collect::<Vec<_>>().join(", "))
    }
}

/// Numbers that a seed determines (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Keeps so many connections going until so many requests are answered.
async fn load(
    server: &ServerHandle,
    network: &Network,
    args: &Args,
    base: u64,
    requests: u64,
) -> std::result::Result<Seen, String> {
    let addr = Arc::new(server.local_addrs()[0].clone());
    let (mut running, mut seen, mut number) = (JoinSet::new(), Seen::default(), base);
    while seen.requests < requests || !running.is_empty() {
        if seen.requests < requests && (running.len() as u64) < args.connections {
            number += 1;
            let random = Random((args.seed ^ number << 8).wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
            let (network, addr) = (network.clone(), Arc::clone(&addr));
            running.spawn(async move {
                let gone = timeout(PATIENCE, connection(&network, &addr, random, number)).await;
                let gone = gone.map_err(|_| "it took too long".to_owned()).flatten();
                gone.map_err(|error| format!("connection {number}: {error}"))
            });
            continue;
        }
        if let Some(ended) = running.join_next().await {
            seen.add(&ended.map_err(|error| error.to_string())??);
        }
    }
    Ok(seen)
}

/// A request on its way: the seed and the length of its answer.
type Asked = (u64, usize);

async fn connection(
    network: &Network,
    addr: &Addr,
    mut random: Random,
    number: u64,
) -> std::result::Result<Seen, String> {
    let mut options = DialOptions::default();
    // Many addresses: one alone would run out of ports that are not in TIME_WAIT.
    let [.., high, low] = number.to_be_bytes();
    options.local = Some(([127, 1, high, low.max(1)], 0).into());
    let dialled = network.dialer.dial_connection(addr, &options).await;
    let mut conn = dialled.map_err(text)?.into_bytes().ok_or("no byte stream")?;
    let mut seen = Seen { connections: 1, ..Seen::default() };
    let (batches, end) = (20 + random.below(100), random.below(ENDS.len() as u64) as usize);
    for _ in 0..batches {
        let asked = ask(&mut *conn, &mut random);
        conn.flush().await.map_err(text)?;
        for asked in asked {
            check(&mut *conn, asked, &mut random, &mut seen).await?;
        }
    }
    seen.ends[end] += 1;
    self::end(conn, ENDS[end], &mut random).await.map_err(text)?;
    Ok(seen)
}

/// Queues a batch of requests.
fn ask(conn: &mut dyn Conn, random: &mut Random) -> Vec<Asked> {
    let count = 1 + random.below(32);
    let ask_one = |_| {
        let seed = random.next() >> 8;
        let length = match random.below(2000) {
            0 => random.below(300_000),
            1..20 => random.below(20_000),
            _ => random.below(100),
        } as usize;
        if random.below(8) == 0 && length < 20_000 {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
            conn.malloc(head.len()).copy_from_slice(head.as_bytes());
            conn.write_binary(Bytes::from(content(seed, length)));
        } else {
            let head = format!("GET /{seed}/{length} HTTP/1.1\r\nhost: a\r\n\r\n");
            conn.malloc(head.len()).copy_from_slice(head.as_bytes());
        }
        (seed, length)
    };
    (0..count).map(ask_one).collect()
}

/// Reads one answer and looks at each of its bytes.
async fn check(
    conn: &mut dyn Conn,
    (seed, length): Asked,
    random: &mut Random,
    seen: &mut Seen,
) -> std::result::Result<(), String> {
    let head = loop {
        let held = conn.buffered();
        if let Some(at) = held.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        let wanted = held.len() + 1;
        give_up(conn, wanted, random, seen).await;
        conn.peek(wanted).await.map_err(|error| text(error.context("in a head")))?;
    };
    let fields = String::from_utf8_lossy(&conn.buffered()[..head]).to_ascii_lowercase();
    if !fields.starts_with("http/1.1 200") || !fields.contains(&format!("length: {length}\r\n")) {
        return Err(format!("{length} bytes were asked for, and this came: {fields}"));
    }
    give_up(conn, head + length, random, seen).await;
    let whole = conn.peek(head + length).await;
    let whole = whole.map_err(|error| text(error.context("in a body")))?;
    if !is_content(seed, &whole[head..]) {
        return Err(format!("a byte of {length} is not what it has to be"));
    }
    conn.skip(head + length).map_err(text)?;
    conn.release();
    seen.requests += 1;
    seen.bytes += length as u64;
    Ok(())
}

/// Sometimes begins to wait, and does not wait any more.
async fn give_up(conn: &mut dyn Conn, wanted: usize, random: &mut Random, seen: &mut Seen) {
    if random.below(64) == 0 {
        seen.given_up += 1;
        tokio::select! {
            biased;
            _ = conn.peek(wanted) => {}
            () = tokio::task::yield_now() => {}
        }
    }
}

async fn end(mut conn: Box<dyn Conn>, end: End, random: &mut Random) -> Result<()> {
    match end {
        End::Closed => conn.close(),
        End::Reset => conn.reset(),
        End::HalfClosed => {
            conn.shutdown().await?;
            match conn.peek(1).await {
                Err(error) if *error.kind() == ErrorKind::Eof => {}
                other => return other.map(drop),
            }
        }
        End::Unread => {
            ask(&mut *conn, random);
            conn.flush().await?;
        }
        End::InAnAnswer => {
            conn.write_all(b"GET /1/200000 HTTP/1.1\r\nhost: a\r\n\r\n").await?;
            conn.peek(1 + random.below(100_000) as usize).await?;
        }
        End::InARequest => {
            conn.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\n...")
                .await?;
        }
    }
    Ok(())
}

fn text(error: dipole::net::Error) -> String {
    error.to_string()
}

// What is left.

struct Left {
    connections: u64,
    descriptors: usize,
    /// In KiB.
    resident: u64,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { connections, descriptors, resident } = self;
        write!(f, "{connections} connections, {descriptors} descriptors, {resident} KiB resident")
    }
}

/// Waits some seconds, until no connection is open and no more is there than before.
async fn settled(server: &ServerHandle, before: Option<&Left>) -> Left {
    let begin = Instant::now();
    loop {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.trim().split(' ').next()?.parse().ok());
        let left = Left {
            connections: server.stats().open_connections,
            descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            resident: resident.unwrap_or_default(),
        };
        let is_settled = left.connections == 0
            && before.is_none_or(|before| left.descriptors <= before.descriptors)
            // So that what was accepted late is seen, too.
            && begin.elapsed() > Duration::from_millis(300);
        if is_settled || begin.elapsed() > Duration::from_secs(10) {
            return left;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
