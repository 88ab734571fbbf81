//! h3 over h3-quinn as their documentation has it, on a current-thread tokio runtime.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http3::{announce, answer, certificate};
use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

fn config() -> Result<quinn::ServerConfig> {
    let (certificate, key) = certificate();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(key.as_bytes())?,
        )?;
    tls.alpn_protocols = vec![b"h3".to_vec()];
    Ok(quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

async fn serve() -> Result<()> {
    let endpoint = quinn::Endpoint::server(config()?, "127.0.0.1:0".parse()?)?;
    announce(endpoint.local_addr()?, "h3_quinn");
    while let Some(incoming) = endpoint.accept().await {
        let serving: tokio::task::JoinHandle<Result<()>> = tokio::spawn(async move {
            let conn = h3_quinn::Connection::new(incoming.await?);
            let mut conn: h3::server::Connection<_, Bytes> =
                h3::server::Connection::new(conn).await?;
            while let Some(resolver) = conn.accept().await? {
                let answering: tokio::task::JoinHandle<Result<()>> = tokio::spawn(async move {
                    let (request, mut stream) = resolver.resolve_request().await?;
                    let mut response = Response::builder();
                    let body = match answer(request.uri().path()) {
                        Some((media_type, body)) => {
                            response = response
                                .header("content-type", media_type)
                                .header("content-length", body.len());
                            body
                        }
                        None => {
                            response = response.status(StatusCode::NOT_FOUND);
                            Bytes::new()
                        }
                    };
                    stream.send_response(response.body(())?).await?;
                    stream.send_data(body).await?;
                    stream.finish().await?;
                    Ok(())
                });
                drop(answering);
            }
            Ok(())
        });
        drop(serving);
    }
    Ok(())
}
