//! Asks a URL several times, one after another, and tells what each answer came over.
//!
//! ```text
//! cargo run --release -p dipole-cli --example follow -- URL CA.pem TIMES [LIBRARY]
//! ```
//!
//! Trusts the authorities in `CA.pem`. `Alt-Svc` is followed: where the server says that it has
//! HTTP/3, the next answers come over it, by the QUIC library of that name.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use dipole::tls::{ClientTls, ClientTlsOptions, Roots};
use dipole::tokio::Tokio;
use dipole::{Client, ClientConfig};
use dipole_cli::networks;

/// The longest that one answer may take.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("follow: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let (url, authorities, times, library) = match arguments {
        [url, authorities, times] => (url, authorities, times, "quinn"),
        [url, authorities, times, library] => (url, authorities, times, library.as_str()),
        _ => return Err("write URL CA.pem TIMES [LIBRARY]".into()),
    };
    let mut options = ClientTlsOptions::default();
    options.roots = Roots::from_pem_file(authorities)?;
    let tls = ClientTls::new(&options)?;
    let streams =
        networks::streams(library, tls.clone()).map_err(|failure| format!("{failure:?}"))?;
    let mut config = ClientConfig::default();
    config.request_timeout = Some(LIMIT);
    let builder = Client::builder().with_dialer(Tokio::new()).with_tls(tls);
    let client = builder.with_stream_dialer(streams).config(config).build();
    for _ in 0..times.parse::<usize>()? {
        let begin = Instant::now();
        let response = client.get(url).send().await?;
        let (version, status) = (response.version(), response.status());
        let body = response.into_body().into_bytes(64 << 20).await?;
        let milliseconds = begin.elapsed().as_millis();
        println!("{version:?} {} {} bytes {milliseconds} ms", status.as_u16(), body.len());
    }
    Ok(())
}
