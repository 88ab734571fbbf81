//! `dipole get`: one request, its answer to stdout or into a file.
//!
//! | module | what it is |
//! |---|---|
//! | `request` | from the command line to a request |
//! | `unix` | which Unix socket is meant |
//! | `upload` | the request's body, from a file or stdin |
//! | `ways` | by which way: proxies, where from; redirects, retries, decoding |
//! | `secure` | TLS: whom to trust, and what to say when that fails |
//! | `verbose` | what `-v` tells |
//! | `answer` | taking the answer in |
//! | `sink` | where it goes |
//! | `progress` | how far it is, on a terminal |

mod answer;
mod progress;
mod request;
mod secure;
mod sink;
mod unix;
mod upload;
mod verbose;
mod ways;

use std::error::Error as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use dipole::dialers::ClientProxy as _;
use dipole::net::{Error as NetworkError, ErrorKind};
use dipole::{Client, ClientConfig, ClientError, ClientErrorKind, Deadline, ProtocolChoice};

use self::answer::{Received, receive};
use self::request::Asked;
use self::verbose::Told;
use crate::Failure;
use crate::args::GetArgs;
use crate::networks;
use crate::output::print;

/// Sends the request, and ends when the answer has.
pub(crate) fn run(args: &GetArgs) -> Result<ExitCode, Failure> {
    let (bytes, streams) = networks::pair(&args.network);
    let network = networks::find(bytes)?;
    let asked = Asked::of(args)?;
    let dialer = ways::dialer(network.dialer, args);
    let mut client = Client::builder().with_dialer(dialer).config(config(args));
    let proxy = ways::proxy(args)?;
    if wants_http3(args) && (proxy.is_some() || args.interface.is_some()) {
        return Err(Failure::usage("HTTP/3 knows neither --proxy nor --interface"));
    }
    if asked.request.uri().scheme_str() == Some("https") || ways::may_need_tls(args) {
        let tls = secure::tls(args)?;
        if wants_http3(args) {
            client = client.with_stream_dialer(networks::streams(streams, tls.clone())?);
        }
        client = client.with_tls(tls);
    }
    if let Some(proxy) = proxy {
        client = client.proxy(&proxy).map_err(Failure::job)?;
    }
    if let Some(addr) = &asked.via {
        client = client.address(addr.clone());
    }
    let client = ways::around(&client.build(), args);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::job(format_args!("cannot start: {error}")))?;
    let began = Instant::now();
    let received = runtime.block_on(async {
        let received = within(args, exchange(&client, asked, args)).await;
        // While the runtime runs, connections that were kept end in order.
        drop(client);
        received
    });
    // A look-up of a name that goes on is nobody's concern any more.
    runtime.shutdown_background();
    let received = received?;
    if args.json {
        let line = format!("{}\n", received.report(began.elapsed().as_secs_f64()));
        if args.writes_file() {
            print(&line)?;
        } else {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn config(args: &GetArgs) -> ClientConfig {
    let mut config = ClientConfig::default();
    config.report_connection = args.verbose;
    config.protocol = match args {
        GetArgs { http1: true, .. } => ProtocolChoice::Http1,
        GetArgs { http2: true, .. } => ProtocolChoice::Http2,
        GetArgs { http3_only: true, .. } => ProtocolChoice::Http3,
        _ if wants_http3(args) => ProtocolChoice::Http3First,
        _ => ProtocolChoice::Negotiated,
    };
    config
}

/// Asked for by name, or by that of a network library that carries it.
fn wants_http3(args: &GetArgs) -> bool {
    let is_named = networks::pair(&args.network).1 == args.network;
    args.http3 || args.http3_only || (is_named && !args.http1 && !args.http2)
}

/// Gives up when the time is up.
async fn within(
    args: &GetArgs,
    exchange: impl Future<Output = Result<Received, Failure>>,
) -> Result<Received, Failure> {
    let Some(limit) = args.max_time else { return exchange.await };
    tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
        let seconds = limit.as_secs_f64();
        Err(Failure::job(format_args!("{seconds} seconds were not enough (--max-time)")))
    })
}

async fn exchange(client: &Client, asked: Asked, args: &GetArgs) -> Result<Received, Failure> {
    let request = asked.request;
    let told = args.verbose.then(|| Told {
        method: request.method().clone(),
        uri: request.uri().clone(),
        headers: request.headers().clone(),
    });
    match client.request(request).await {
        Ok(response) => {
            if let Some(told) = told {
                // Where stderr is closed there is nobody to tell.
                let _ = io::stderr().write_all(told.lines(&response).as_bytes());
            }
            receive(response, args).await
        }
        Err(error) => Err(Failure::Job(explain(&error, args))),
    }
}

/// What failed, and what to do.
fn explain(error: &ClientError, args: &GetArgs) -> String {
    let network = error.source().and_then(|source| source.downcast_ref::<NetworkError>());
    let (ClientErrorKind::Connect, Some(network)) = (error.kind(), network) else {
        return error.to_string();
    };
    if let Some(fault) = secure::fault(network) {
        return format!("{network}; {}", secure::hint(fault, args));
    }
    if args.http3_only && *network.kind() != ErrorKind::UnknownHost {
        return format!(
            "{network}; see that it speaks HTTP/3 there, by UDP, or ask by --http3, which falls back"
        );
    }
    if error.deadline() == Some(Deadline::Handshake) {
        return error.to_string();
    }
    // It says itself what it could not connect to.
    let hint = match network.kind() {
        ErrorKind::UnknownHost => "see that the name is right",
        ErrorKind::AddrNotAvailable if args.interface.is_some() => {
            "see that --interface is of this machine"
        }
        ErrorKind::TimedOut | ErrorKind::Unreachable => "see that the machine can be reached",
        _ => "see that a server listens there",
    };
    format!("{network}; {hint}")
}
