//! What can be written on the command line.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand};
use dipole::net::Addr;

use crate::tls::TlsArgs;

/// An HTTP stack whose network library can be swapped.
#[derive(Debug, Parser)]
#[command(
    name = "dipole",
    version,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 1 the job failed (one line on stderr says why), \
                  2 wrong usage."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the files of a folder over HTTP
    ///
    /// Serves files with ranges, conditional requests, media types and precompressed variants
    /// (FILE.br, FILE.zst, FILE.gz beside FILE). A folder is its index.html, or a listing where it has
    /// none; hidden files are not listed, but are served to who knows their name.
    ///
    /// Prints one line on stdout for each address, then serves until ctrl-c, which lets the requests
    /// that run come to their end.
    ///
    /// SIGUSR2 starts the program anew with the same arguments, gives it the listening sockets, and
    /// ends this process once the new one serves: an upgrade without a request lost.
    Serve(ServeArgs),
    /// Fetch a URL, to stdout or into a file
    ///
    /// Sends one request and writes the answer's body to stdout or into a file. Redirects are
    /// followed with --location.
    ///
    /// Exit status 0 when the whole answer came, whatever its status (see --fail); 1 when it did not,
    /// with one line on stderr.
    Get(GetArgs),
    /// Move a running server to another network library
    ///
    /// Asks a `dipole serve --admin unix:PATH` to put another network library under its listeners.
    /// The sockets stay: no connection is refused, no request fails. Connections of the earlier
    /// library end with their next answer.
    Swap(SwapArgs),
    /// Judge a network library by the statements of the contract
    ///
    /// Runs the conformance kit against a network library: a table on stdout, exit status 1 when a
    /// case failed.
    Conformance(ConformanceArgs),
    /// Say what this build has and what this machine allows
    Doctor(DoctorArgs),
}

/// What `dipole serve` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The folder whose files are served
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Where to listen: HOST:PORT, [IPV6]:PORT, unix:PATH or unix:@NAME; may be repeated. Port 0
    /// is any free one
    ///
    /// [default: the sockets of the service manager (LISTEN_FDS) where there are any, else
    /// 127.0.0.1:8888]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// The network library to listen with; with --http3, quinn or s2n
    /// names the one for QUIC
    #[arg(long, value_name = "NAME", default_value = "tokio")]
    pub(crate) network: String,
    /// Serve HTTP/3 as well, on the UDP port of the same number; needs --tls or --cert
    #[arg(long)]
    pub(crate) http3: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    /// Threads that serve, each with listeners of its own; 0 is one for each core
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u16).range(..=1024))]
    pub(crate) workers: u16,
    /// How long running requests may take to end after ctrl-c, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) drain_timeout: Duration,
    /// Take orders on this Unix socket, unix:PATH or unix:@NAME: see `dipole swap`
    #[arg(long, value_name = "unix:PATH")]
    pub(crate) admin: Option<AdminSocket>,
    /// Take the sockets over from the earlier process that is at the other end of stdin
    #[arg(long, hide = true)]
    pub(crate) take_over: bool,
    /// Write no access log to stderr
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Write JSON, an object a line: on stdout each address, on stderr the access log
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `dipole get` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct GetArgs {
    /// What to fetch: http://HOST[:PORT]/PATH or https://...; `http://` may be left out. Of a Unix
    /// socket: http+unix://%2FPATH%2FOF%2FSOCKET/PATH, or the URL that `dipole serve` prints
    pub(crate) url: String,
    /// Connect to this Unix socket (PATH, or @NAME for an abstract one), whatever the URL's host
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Write the body into FILE, as it comes; a progress line is shown where stderr is a terminal
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the answer's status and headers before its body
    #[arg(long, short)]
    pub(crate) include: bool,
    /// The request's method [default: GET, or POST where there is data]
    #[arg(long, short = 'X', value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// The request's body: DATA as it stands, @FILE a file's content, @- stdin
    #[arg(long, short, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// A header of the request, `name: value`; may be repeated
    #[arg(long, short = 'H', value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// Send basic authentication, to the URL's origin alone
    #[arg(long, short, value_name = "USER:PASSWORD")]
    pub(crate) user: Option<String>,
    /// Send these cookies, `NAME=VALUE; ...`; without it --location keeps those that servers set
    #[arg(long, short = 'b', value_name = "COOKIES")]
    pub(crate) cookie: Option<String>,
    /// Follow redirects
    #[arg(long, short = 'L')]
    pub(crate) location: bool,
    /// How many redirects are followed
    #[arg(long, value_name = "N", default_value = "50", requires = "location")]
    pub(crate) max_redirs: u16,
    /// Ask for a compressed answer (gzip, brotli, zstd, deflate), and decode it
    #[arg(long)]
    pub(crate) compressed: bool,
    /// Try so many times more, with pauses, what has failed for a while and does no harm when it is
    /// sent again: no connection, or none any more; 429, 502, 503, 504
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) retry: u16,
    /// Connect through a proxy: [http://][USER:PASSWORD@]HOST[:3128], https://, socks5:// (names are
    /// looked up here) or socks5h:// (by the proxy). The environment is not asked
    #[arg(long, short = 'x', value_name = "URL", conflicts_with = "unix_socket")]
    pub(crate) proxy: Option<String>,
    /// Hosts that the proxy is not for, between commas: names with their subdomains, addresses,
    /// networks (10.0.0.0/8), or * for all
    #[arg(long, value_name = "HOSTS", requires = "proxy")]
    pub(crate) noproxy: Option<String>,
    /// Connect from this address of this machine, or by the interface of this name
    #[arg(long, value_name = "IP|NAME")]
    pub(crate) interface: Option<String>,
    /// Trust the certificates in FILE (PEM), in place of those that this machine trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
    /// Do not verify the server's certificate: whoever is in the way can read and change everything
    #[arg(long, short = 'k', conflicts_with = "cacert")]
    pub(crate) insecure: bool,
    /// Speak HTTP/1.1, also where the server has HTTP/2
    #[arg(long = "http1.1", conflicts_with_all = ["http2", "http3", "http3_only"])]
    pub(crate) http1: bool,
    /// Speak HTTP/2; without TLS by prior knowledge
    #[arg(long, conflicts_with_all = ["http3", "http3_only"])]
    pub(crate) http2: bool,
    /// Speak HTTP/3 where the server has it: it is tried first, and after a quarter of a second the
    /// others beside it
    #[arg(long, conflicts_with_all = ["http3_only", "unix_socket"])]
    pub(crate) http3: bool,
    /// Speak HTTP/3 and nothing else
    #[arg(long, conflicts_with = "unix_socket")]
    pub(crate) http3_only: bool,
    /// Say on stderr what was negotiated and by which network library, and both heads
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Exit with status 1, and write no body, when the answer's status is 400 or above
    #[arg(long, short)]
    pub(crate) fail: bool,
    /// The network library to connect with: auto, tokio, uring; or one of QUIC, quinn or s2n, which
    /// asks for HTTP/3 as --http3 does [HTTP/3 without it: quinn]
    #[arg(long, value_name = "NAME", default_value = "tokio")]
    pub(crate) network: String,
    /// The longest that all of it may take, in seconds [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) max_time: Option<Duration>,
    /// Write {"status", "version", "headers", "bytes", "seconds"} at the end: to stdout with --output, else
    /// to stderr
    #[arg(long)]
    pub(crate) json: bool,
}

impl GetArgs {
    /// False when the answer goes to stdout.
    pub(crate) fn writes_file(&self) -> bool {
        self.output.as_deref().is_some_and(|path| path != Path::new("-"))
    }
}

/// What `dipole swap` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct SwapArgs {
    /// The network library to go on with
    #[arg(long, value_name = "NAME")]
    pub(crate) network: String,
    /// Where the server takes orders: what its --admin says
    #[arg(long, value_name = "unix:PATH")]
    pub(crate) admin: AdminSocket,
    /// Write {"from", "to", "listening"}
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a server takes orders: a Unix socket, for who may use it is a matter of its permissions.
#[derive(Debug, Clone)]
pub(crate) struct AdminSocket(Addr);

impl AdminSocket {
    pub(crate) fn addr(&self) -> &Addr {
        &self.0
    }

    /// As it is written on the command line.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }
}

impl FromStr for AdminSocket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(addr @ (Addr::Unix(_) | Addr::Abstract(_))) => Ok(Self(addr)),
            Ok(_) => Err("write unix:PATH or unix:@NAME".into()),
            Err(error) => Err(format!("{error}; write unix:PATH or unix:@NAME")),
        }
    }
}

/// What `dipole conformance` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct ConformanceArgs {
    /// The network library to judge: tokio, uring, quinn, s2n, sim (byte streams and
    /// streams) or sim-streams; NAME+tls judges byte streams under TLS
    #[arg(long, value_name = "NAME", default_value = "tokio")]
    pub(crate) network: String,
    /// Run this case alone (B13), this group (B), or several of them (B13,L)
    #[arg(long, value_name = "ID")]
    pub(crate) only: Option<String>,
    /// Write the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the report into FILE, as a page for browsers: one file, to publish as it is
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// What `dipole doctor` is told.
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number of seconds, whole or not.
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds, such as 10 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "-1", "nan", "inf", "1e30", "ten"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
