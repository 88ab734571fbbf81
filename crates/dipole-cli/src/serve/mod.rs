//! `dipole serve`: the files of a folder over HTTP.
//!
//! | module | what it is |
//! |---|---|
//! | `files` | from a request to a file, a listing, or why there is none |
//! | `disk` | how files are opened and read |
//! | `preconditions` | what `ServeDir` leaves open of range requests |
//! | `listing`, `listing_page`, `page` | what is in a folder, and how it looks |
//! | `log`, `log_line` | the access log |
//! | `signals` | when to end, and when to hand over |
//! | `reload` | when to read the certificate again |
//! | `site` | what is served, and with which network library |
//! | `admin` | the socket that takes orders |
//! | `sources` | where to listen |
//! | `inheritance` | sockets that pass from one process to another |

mod admin;
mod disk;
mod files;
mod inheritance;
mod listing;
mod listing_page;
mod log;
mod log_line;
mod page;
mod preconditions;
mod reload;
mod signals;
mod site;
mod sources;
mod time;

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dipole::net::{Addr, Error, ErrorKind, Transport};
use dipole::{Body, Drained, HttpService, Server, ServerConfig, ServerHandle, WhenClientLeaves};
use http::Request;
use serde_json::{Value, json};

use self::files::Files;
use self::inheritance::{Inherited, Role};
use self::log::{Log, Scope};
use self::log_line::Format;
use self::signals::{Asked, Signals};
use self::site::Site;
use self::sources::{Source, Sources};
use crate::Failure;
use crate::args::ServeArgs;
use crate::networks::{Listening, Quic};
use crate::tls::ServedTls;

/// Serves until a signal ends it.
pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let files = Files::of(&args.dir)?;
    let tls = args.tls.served()?;
    let http3 = args.http3.then(|| ServedTls::for_http3(tls.as_ref())).transpose()?;
    let Listening { network, quic } = Listening::of(&args.network, http3)?;
    let format = if args.json { Format::Json } else { Format::Text };
    let scope = if args.quiet { Scope::Faults } else { Scope::All };
    let log = Log::start(io::stderr(), format, scope)
        .map_err(|error| Failure::job(format_args!("cannot start the log's thread: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::job(format_args!("cannot start: {error}")))?;
    runtime.block_on(async {
        // Before the address is announced: from then on a signal means a drain.
        let signals = Signals::listen()
            .map_err(|error| Failure::job(format_args!("cannot wait for signals: {error}")))?;
        let sources = Sources::of(args)?;
        let secured = tls.as_ref().map(ServedTls::server);
        let service = service(files, log.clone());
        let transport = site::transport(&network, secured);
        let server = start(args, transport, quic.as_ref(), sources.site, service, log.clone())?;
        let site = Arc::new(Site::new(server.clone(), network, quic, secured.cloned()));
        let admin = admin::start(sources.admin, site.clone())?;
        announce(&site, format);
        if let Some(tls) = tls {
            reload::on_hangup(tls, log.clone(), format)
                .map_err(|error| Failure::job(format_args!("cannot wait for signals: {error}")))?;
        }
        if let Some(heir) = sources.heir {
            heir.serves().map_err(|why| {
                Failure::job(format_args!("cannot take over from an earlier process: {why}"))
            })?;
        }
        let status = serve(&site, admin.as_ref(), signals, args.drain_timeout, &log, format).await;
        if let Some(admin) = admin {
            // Nobody waits for an order that is given at the very end.
            let _ = admin.shutdown(Duration::ZERO).await;
        }
        log.finish();
        Ok(status)
    })
}

fn start(
    args: &ServeArgs,
    transport: Arc<dyn Transport>,
    quic: Option<&Quic>,
    sources: Vec<Source>,
    service: impl HttpService,
    log: Log,
) -> Result<ServerHandle, Failure> {
    let mut config = ServerConfig::default();
    // `printf 'GET / HTTP/1.0\r\n\r\n' | nc` has ended its side before its answer comes.
    config.when_client_leaves = WhenClientLeaves::FinishHandler;
    let mut server = Server::new(service)
        .config(config)
        .workers(usize::from(args.workers))
        .expose_connection_info()
        .on_own_answer(move |answer| log.refused(answer));
    let mut bound = Vec::new();
    for Source { addr, options } in sources {
        // Several sockets of one address have one UDP port beside them.
        let is_new = !bound.contains(&addr);
        bound.push(addr.clone());
        let has_udp = matches!(addr, Addr::Ip(_) | Addr::Host(..));
        server = server.listen_with(addr, Arc::clone(&transport), options);
        if let Some(quic) = quic.filter(|_| is_new && has_udp) {
            server = server.with_alt_transport(Arc::clone(&quic.transport));
        }
    }
    server.start().map_err(|error| Failure::Job(explain(&error)))
}

/// What failed, and what to do.
fn explain(error: &Error) -> String {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "choose another with --listen",
        ErrorKind::AddrNotAvailable => {
            "listen on an address of this machine, or on 0.0.0.0 or [::] for all of them"
        }
        ErrorKind::PermissionDenied => "choose a port from 1024 on, or a folder of yours",
        ErrorKind::NotFound => "make the socket's folder first",
        ErrorKind::UnknownHost => "name a host that can be looked up, or an IP address",
        ErrorKind::Unsupported => "choose another address with --listen",
        ErrorKind::Exhausted => "raise the limit of open files (ulimit -n), or use fewer --workers",
        _ => return error.to_string(),
    };
    format!("{error}; {hint}")
}

/// The files, with each request in the log.
fn service(files: Files, log: Log) -> impl HttpService {
    tower::service_fn(move |request: Request<Body>| {
        let (files, entry) = (files.clone(), log.begin(&request));
        // What a request brings along is of no use here: the server reads past it.
        let request = request.map(drop);
        async move {
            let answer = files.answer(&request).await;
            Ok::<_, Infallible>(entry.follow(answer))
        }
    })
}

/// Says on stdout where it listens, one line an address.
fn announce(site: &Site, format: Format) {
    let mut lines = String::new();
    for (addr, url, network) in site.listeners() {
        lines += &match format {
            Format::Text => format!("listening on {url} ({network})\n"),
            Format::Json => {
                let address = addr.to_string();
                let event = json!({
                    "event": "listening", "url": url, "address": address, "network": network,
                });
                format!("{event}\n")
            }
        };
    }
    // A server whose stdout nobody reads serves all the same.
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush());
}

/// Until the first signal, and then until the requests that run have ended, their time is up, or
/// a second signal comes.
async fn serve(
    site: &Site,
    admin: Option<&ServerHandle>,
    mut signals: Signals,
    drain_timeout: Duration,
    log: &Log,
    format: Format,
) -> ExitCode {
    let server = site.server();
    let end = loop {
        let asked = tokio::select! {
            asked = signals.next() => asked,
            () = server.wait() => {
                log.say("dipole: the server has ended by itself");
                return ExitCode::from(1);
            }
        };
        match asked {
            Asked::End => break End::Drain,
            Asked::HandOver => match hand_over(site, admin).await {
                Ok(process) => {
                    say(
                        log,
                        format,
                        format_args!("handed over to process {process}"),
                        json!({
                            "event": "handed over", "process": process,
                        }),
                    );
                    break End::Retire;
                }
                Err(why) => say(
                    log,
                    format,
                    format_args!("not handed over: {why}"),
                    json!({
                        "event": "not handed over", "error": why.to_string(),
                    }),
                ),
            },
        }
    };
    let open = server.stats().open_connections;
    let connections = if open == 1 { "connection" } else { "connections" };
    say(
        log,
        format,
        format_args!("draining, {open} {connections} open, ctrl-c again to end now"),
        json!({
            "event": "draining", "connections": open,
        }),
    );
    let drained = async {
        match end {
            End::Drain => server.shutdown(drain_timeout).await,
            End::Retire => server.retire(drain_timeout).await,
        }
    };
    let drained = tokio::select! {
        drained = drained => drained,
        () = signals.end() => return ExitCode::from(1),
    };
    match (drained, format) {
        (Drained::Whole, Format::Text) => {}
        (Drained::CutShort, Format::Text) => {
            log.say(format_args!("the drain's time is up: requests that still ran were cut short"))
        }
        (_, Format::Json) => {
            let is_whole = drained == Drained::Whole;
            log.say(json!({"event": "drained", "complete": is_whole}));
        }
    }
    ExitCode::SUCCESS
}

/// How a server that serves well comes to its end.
enum End {
    /// Its clients go elsewhere.
    Drain,
    /// Another process has its sockets.
    Retire,
}

/// Starts this program anew and gives it the sockets; its process id.
///
/// # Errors
/// Among others: a UDP port cannot be had by two processes, and the state of QUIC's connections
/// cannot be passed on.
async fn hand_over(site: &Site, admin: Option<&ServerHandle>) -> io::Result<u32> {
    let (server, has_quic) = (site.server(), site.has_quic());
    if has_quic {
        let text = "with --http3 there is no handing over: start anew instead";
        return Err(io::Error::other(text));
    }
    let mut inheritance = Inherited::of(server, Role::Site).await.map_err(io::Error::other)?;
    if let Some(admin) = admin {
        inheritance.extend(Inherited::of(admin, Role::Admin).await.map_err(io::Error::other)?);
    }
    let bequeathed = tokio::task::spawn_blocking(|| inheritance::bequeath(inheritance));
    bequeathed.await.map_err(io::Error::other)?
}

/// Says what happens, in the log's form.
fn say(log: &Log, format: Format, text: impl Display, event: Value) {
    match format {
        Format::Text => log.say(text),
        Format::Json => log.say(event),
    }
}
