//! Requests by several tasks over one client's pool for some time, to a server that ends connections
//! meanwhile:
//!
//! ```text
//! cargo run --release -p dipole-cli --example steady -- URL --seconds 5 --tasks 16
//! ```
//!
//! Every second request is a POST. Each has a number of its own, as the query `n=NUMBER`, by which the
//! server's log tells how often it came. Ends with a line of JSON, which also names the slowest request.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use dipole::fetch::Retries;
use dipole::tls::{ClientTls, ClientTlsOptions, Roots};
use dipole::{Client, ClientConfig, ProtocolChoice};
use dipole_cli::networks;

/// Requests for some time.
#[derive(Debug, Parser)]
struct Args {
    /// What to ask for; it has no query
    url: String,
    /// How long requests are begun
    #[arg(long, value_name = "N", default_value_t = 3.0)]
    seconds: f64,
    /// Requests at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    tasks: usize,
    /// How long a task rests after each of its requests
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    rest: u64,
    /// Whom to trust, in place of the machine's authorities
    #[arg(long, value_name = "FILE")]
    cacert: Option<String>,
    /// HTTP/1.1 alone, whatever the server would choose
    #[arg(long)]
    http1: bool,
    /// Tries again, where that does no harm, for some seconds
    #[arg(long)]
    retry: bool,
    /// The network library
    #[arg(long, value_name = "NAME", default_value = "tokio")]
    network: String,
}

/// The longest that one request may take.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Tally {
    next: AtomicU64,
    answered: AtomicU64,
    failures: Mutex<Vec<serde_json::Value>>,
    slowest: Mutex<Slowest>,
}

/// The request that took longest, successful or not.
#[derive(Debug, Default, Clone, Copy)]
struct Slowest {
    number: u64,
    time: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("steady: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let client = client(args)?;
    let tally = Arc::new(Tally::default());
    let end = Instant::now() + Duration::from_secs_f64(args.seconds);
    let rest = Duration::from_millis(args.rest);
    let task = |_| {
        let (client, tally, url) = (client.clone(), Arc::clone(&tally), args.url.clone());
        tokio::spawn(async move {
            while Instant::now() < end {
                ask(&client, &url, &tally).await;
                tokio::time::sleep(rest).await;
            }
        })
    };
    let tasks: Vec<_> = (0..args.tasks).map(task).collect();
    for task in tasks {
        task.await?;
    }
    let failures = tally.failures.lock().map_err(|_| "a task panicked")?;
    let slowest = *tally.slowest.lock().map_err(|_| "a task panicked")?;
    let asked = tally.next.load(Ordering::Relaxed);
    let answered = tally.answered.load(Ordering::Relaxed);
    println!(
        "{}",
        serde_json::json!({
            "asked": asked,
            "answered": answered,
            "failures": *failures,
            "slowest": {"number": slowest.number, "seconds": slowest.time.as_secs_f64()},
        })
    );
    Ok(())
}

fn client(args: &Args) -> Result<Client, Box<dyn std::error::Error>> {
    let network = networks::find(&args.network).map_err(|failure| failure.to_string())?;
    let mut config = ClientConfig::default();
    config.request_timeout = Some(LIMIT);
    if args.http1 {
        config.protocol = ProtocolChoice::Http1;
    }
    let mut builder = Client::builder().with_dialer(network.dialer).config(config);
    if let Some(file) = &args.cacert {
        let mut options = ClientTlsOptions::default();
        options.roots = Roots::from_pem_file(file)?;
        builder = builder.with_tls(ClientTls::new(&options)?);
    }
    let client = builder.build();
    if !args.retry {
        return Ok(client);
    }
    let second = Duration::from_secs(1);
    Ok(client.layer(Retries::at_most(20).wait(second / 10, second).budget(1000, 1.0)))
}

async fn ask(client: &Client, url: &str, tally: &Tally) {
    let number = tally.next.fetch_add(1, Ordering::Relaxed);
    let url = format!("{url}?n={number}");
    let (method, request) = match number % 2 {
        0 => ("GET", client.get(&url)),
        _ => ("POST", client.post(&url).body("x".repeat(100))),
    };
    let came = async {
        let response = request.send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().into_bytes(1 << 20).await;
        let body = body.map_err(|error| error.to_string())?;
        match status.is_success() && !body.is_empty() {
            true => Ok(()),
            false => Err(format!("{status}, {} bytes", body.len())),
        }
    };
    let begin = Instant::now();
    let came = came.await;
    let time = begin.elapsed();
    let mut slowest = tally.slowest.lock().expect("no panic under this lock");
    if time > slowest.time {
        *slowest = Slowest { number, time };
    }
    drop(slowest);
    match came {
        Ok(()) => drop(tally.answered.fetch_add(1, Ordering::Relaxed)),
        Err(why) => {
            let mut failures = tally.failures.lock().expect("no panic under this lock");
            failures.push(serde_json::json!({"method": method, "number": number, "why": why}));
        }
    }
}
