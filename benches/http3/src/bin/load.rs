//! Loads a server: `load ADDRESS PATH CONNECTIONS STREAMS SECONDS`, or opens idle connections:
//! `load ADDRESS idle CONNECTIONS`, which stay until stdin ends. Trusts any certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::time::Instant;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
type Sender = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address: SocketAddr = arguments[0].parse()?;
    let endpoint = endpoint()?;
    if arguments[1] == "idle" {
        let mut kept = Vec::new();
        for _ in 0..arguments[2].parse()? {
            let mut sender = connect(&endpoint, address).await?;
            ask(&mut sender, "/").await?;
            kept.push(sender);
        }
        println!("open");
        std::io::stdin().read_line(&mut String::new())?;
        return Ok(());
    }
    let path: &'static str = arguments[1].clone().leak();
    let (connections, streams): (usize, usize) = (arguments[2].parse()?, arguments[3].parse()?);
    let seconds = Duration::from_secs_f64(arguments[4].parse()?);
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let mut senders = Vec::new();
    for _ in 0..connections {
        senders.push(connect(&endpoint, address).await?);
    }
    let end = Instant::now() + seconds;
    let mut tasks = Vec::new();
    for sender in senders {
        for _ in 0..streams {
            let (mut sender, counts) = (sender.clone(), Arc::clone(&counts));
            let task: tokio::task::JoinHandle<Result<()>> = tokio::spawn(async move {
                while Instant::now() < end {
                    let length = ask(&mut sender, path).await?;
                    counts.0.fetch_add(1, Ordering::Relaxed);
                    counts.1.fetch_add(length as u64, Ordering::Relaxed);
                }
                Ok(())
            });
            tasks.push(task);
        }
    }
    for task in tasks {
        task.await??;
    }
    println!("{} {}", counts.0.load(Ordering::Relaxed), counts.1.load(Ordering::Relaxed));
    Ok(())
}

async fn connect(endpoint: &quinn::Endpoint, address: SocketAddr) -> Result<Sender> {
    let conn = h3_quinn::Connection::new(endpoint.connect(address, "localhost")?.await?);
    let (mut driver, sender) = h3::client::new(conn).await?;
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    Ok(sender)
}

async fn ask(sender: &mut Sender, path: &str) -> Result<usize> {
    let request = http::Request::get(format!("https://localhost{path}")).body(())?;
    let mut stream = sender.send_request(request).await?;
    stream.finish().await?;
    let response = stream.recv_response().await?;
    if !response.status().is_success() {
        return Err(response.status().as_str().into());
    }
    let mut length = 0;
    while let Some(mut data) = stream.recv_data().await? {
        length += data.remaining();
        data.advance(data.remaining());
    }
    Ok(length)
}

fn endpoint() -> Result<quinn::Endpoint> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse()?)?;
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
