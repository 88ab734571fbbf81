//! Servers that misbehave, on rough networks, by seeds: a request ends in time, its body is its own,
//! and no connection is used again on which anything is amiss.

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, Client, ClientConfig};
use dipole_net::ConnExt;
use dipole_sim::{Config, Network};
use http::Request;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::far::{Far, FarConn};

/// All of a request and its response.
const LIMIT: Duration = Duration::from_secs(20);

/// A generator of numbers (SplitMix64): the same for the same seed.
#[derive(Clone)]
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What the network does with what is written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// It comes at once.
    Whole,
    /// It comes in pieces.
    Rough,
}

/// The body of the response to a path.
fn body_of(path: &str) -> String {
    let number: usize = path.trim_start_matches('/').parse().expect("a number");
    format!("the body of {path} ").repeat(1 + number % 97)
}

/// A right response to a path.
fn response(path: &str, choices: &mut Choices) -> Vec<u8> {
    let body = body_of(path);
    let interim = match choices.below(4) {
        0 => "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
        _ => "",
    };
    let head = format!("{interim}HTTP/1.1 200 OK\r\nx-path: {path}\r\n");
    if choices.below(2) == 0 {
        return format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    }
    let mut text = format!("{head}transfer-encoding: chunked\r\n\r\n");
    for chunk in body.as_bytes().chunks(1 + choices.below(300) as usize) {
        let chunk = std::str::from_utf8(chunk).expect("ASCII");
        text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    (text + "0\r\n\r\n").into_bytes()
}

/// Answers requests until it is its turn to do something else. Dropped, the connection ends.
async fn serve(mut conn: FarConn, network: Wire, mut choices: Choices) -> Option<()> {
    loop {
        let path = request(&mut conn).await?;
        let mut bytes = response(&path, &mut choices);
        match choices.below(12) {
            // Ends at any byte, in order or not.
            0 | 1 => {
                bytes.truncate(choices.below(bytes.len() as u64) as usize);
                conn.conn.write_all(&bytes).await.ok()?;
                if choices.below(2) == 0 {
                    conn.conn.reset();
                }
                return None;
            }
            // Is late, perhaps too late.
            2 => {
                let cut = choices.below(bytes.len() as u64) as usize;
                let rest = bytes.split_off(cut);
                conn.conn.write_all(&bytes).await.ok()?;
                tokio::time::sleep(Duration::from_secs(choices.below(40))).await;
                conn.conn.write_all(&rest).await.ok()?;
            }
            // Says more than it was asked for: now, or when nobody asks.
            3 if network == Wire::Whole && choices.below(2) == 0 => {
                let other = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";
                bytes.extend_from_slice(&other[..=choices.below(other.len() as u64 - 1) as usize]);
                conn.conn.write_all(&bytes).await.ok()?;
            }
            // What is under way when the next request goes out looks like its response, so here it
            // is none.
            3 => {
                conn.conn.write_all(&bytes).await.ok()?;
                tokio::time::sleep(Duration::from_millis(choices.below(300))).await;
                conn.conn.write_all(b"\0\0\0").await.ok()?;
            }
            // Promises more than there is.
            4 => {
                let body = body_of(&path);
                let length = body.len() as u64 + 1 + choices.below(100);
                let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                conn.conn.write_all(text.as_bytes()).await.ok()?;
                if choices.below(2) == 0 {
                    return None;
                }
                std::future::pending::<()>().await;
            }
            // Never comes to the point.
            5 => loop {
                conn.conn.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await.ok()?;
                tokio::time::sleep(Duration::from_millis(choices.below(2000))).await;
            },
            // Says something that is no response.
            6 => {
                let at = choices.below(bytes.len() as u64) as usize;
                bytes[at] = 0;
                // A body may have any bytes: then this one is not for the client to find.
                let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
                if end.is_none_or(|end| at < end) {
                    conn.conn.write_all(&bytes).await.ok()?;
                }
                return None;
            }
            _ => conn.conn.write_all(&bytes).await.ok()?,
        }
    }
}

/// The path of the next request.
async fn request(conn: &mut FarConn) -> Option<String> {
    loop {
        let held = conn.conn.buffered();
        if let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&held[..end]).into_owned();
            conn.conn.skip(end + 4).expect("it is held");
            return head.split(' ').nth(1).map(str::to_owned);
        }
        let more = held.len() + 1;
        conn.conn.peek(more).await.ok()?;
    }
}

/// What a request comes to.
enum Outcome {
    Body(Bytes),
    NoResponse,
    NoBody,
}

async fn ask(client: &Client, path: &str) -> Outcome {
    let request = Request::get(format!("http://far{path}")).body(Body::empty());
    match client.request(request.expect("a request")).await {
        Err(_) => Outcome::NoResponse,
        Ok(response) => match response.into_body().collect().await {
            Err(_) => Outcome::NoBody,
            Ok(body) => Outcome::Body(body.to_bytes()),
        },
    }
}

/// One world: a network, a server, a client with a few requests. Gives how many had their body.
async fn run(seed: u64) -> usize {
    let mut choices = Choices(seed);
    let (wire, mut rough) = match choices.below(2) {
        0 => (Wire::Rough, Config::rough(seed)),
        _ => (Wire::Whole, Config::default()),
    };
    if choices.below(8) == 0 {
        rough.reset_probability = 0.05;
    }
    let network = Network::new(rough);
    let mut far = Far::listening(&network, "far:80");
    let served = choices.clone();
    let server = tokio::spawn(async move {
        let mut served = served;
        loop {
            let conn = far.accept().await;
            let seed = served.below(u64::MAX);
            tokio::spawn(serve(conn, wire, Choices(seed)));
        }
    });
    let mut config = ClientConfig::default();
    config.request_timeout = Some(LIMIT);
    config.max_connections_per_host = [None, Some(1), Some(2)][choices.below(3) as usize];
    let client = Client::builder().with_dialer(network).config(config).build();
    let mut bodies = 0;
    for round in 0..4 {
        let asked = (0..1 + choices.below(3)).map(|number| {
            let client = client.clone();
            let path = format!("/{}", seed % 1000 * 100 + round * 10 + number);
            tokio::spawn(async move {
                let begin = Instant::now();
                let outcome = ask(&client, &path).await;
                (path, outcome, begin.elapsed())
            })
        });
        for asked in asked.collect::<Vec<_>>() {
            let (path, outcome, took) = asked.await.expect("no panic");
            assert!(took <= LIMIT + Duration::from_millis(2), "{path} took {took:?}, seed {seed}");
            if let Outcome::Body(body) = outcome {
                assert_eq!(body, body_of(&path), "seed {seed}");
                bodies += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(choices.below(400))).await;
    }
    server.abort();
    bodies
}

/// Runs each seed in a world of its own.
fn run_all(seeds: std::ops::Range<u64>) {
    let mut bodies = 0;
    for seed in seeds.clone() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        bodies += runtime.block_on(run(seed));
    }
    let worlds = (seeds.end - seeds.start) as usize;
    assert!(bodies > worlds, "only {bodies} bodies in {worlds} worlds");
}

#[test]
fn a_request_ends_in_time_and_its_body_is_its_own_1() {
    run_all(0..5_000);
}

#[test]
fn a_request_ends_in_time_and_its_body_is_its_own_2() {
    run_all(5_000..10_000);
}
