//! A client that shakes hands: so many connections at a time, each a full handshake of TLS 1.3 and one
//! request, and no more work of its own than that takes, so that the server is what is busy.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type Failure = Box<dyn std::error::Error>;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [address, at_a_time, end] = &arguments[..] else {
        eprintln!("usage: handshakes ADDRESS:PORT CONNECTIONS_AT_A_TIME CONNECTIONS|SECONDSs");
        std::process::exit(2)
    };
    let (most, seconds) = match end.strip_suffix('s') {
        Some(seconds) => (u64::MAX, seconds.parse()?),
        None => (end.parse()?, 600),
    };
    let load = Load {
        address: address.parse()?,
        connector: Arc::new(config()?).into(),
        begun: Cell::new(0),
        made: Cell::new(0),
        most,
        end: Instant::now() + Duration::from_secs(seconds),
    };
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let made = runtime.block_on(run(load, at_a_time.parse()?))?;
    println!("result requests={made} microseconds={}", started.elapsed().as_micros());
    Ok(())
}

struct Load {
    address: SocketAddr,
    connector: TlsConnector,
    begun: Cell<u64>,
    /// Connections that were answered.
    made: Cell<u64>,
    /// So many are begun, none after the end.
    most: u64,
    end: Instant,
}

impl Load {
    /// True when one more is to be begun.
    fn begin(&self) -> bool {
        let may = self.begun.get() < self.most && Instant::now() < self.end;
        self.begun.set(self.begun.get() + u64::from(may));
        may
    }
}

/// Gives how many connections were answered.
async fn run(load: Load, at_a_time: usize) -> Result<u64, Failure> {
    let load = Rc::new(load);
    let tasks = tokio::task::LocalSet::new();
    let running: Vec<_> = (0..at_a_time)
        .map(|_| {
            let load = Rc::clone(&load);
            tasks.spawn_local(async move {
                while load.begin() {
                    connection(&load).await?;
                    load.made.set(load.made.get() + 1);
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    tasks
        .run_until(async {
            for task in running {
                task.await??;
            }
            Ok(load.made.get())
        })
        .await
}

/// One connection with its request; the server ends it.
async fn connection(load: &Load) -> Result<(), Failure> {
    let stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let mut stream = load.connector.connect(name, stream).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::with_capacity(512);
    stream.read_to_end(&mut answer).await?;
    let is_hello = answer.starts_with(b"HTTP/1.1 200 OK") && answer.ends_with(b"Hello, World!");
    if is_hello { Ok(()) } else { Err("the answer is another one".into()) }
}

/// Nothing is resumed, and nothing verified: the server shall have more to do than this end.
fn config() -> Result<ClientConfig, Failure> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes any server for the right one.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
