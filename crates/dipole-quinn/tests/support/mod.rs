//! A certificate that the tests make for themselves.

use std::sync::Arc;

/// Both ends of TLS: a server for the loopback addresses, and a client that trusts it alone.
pub(crate) fn certified() -> (Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>) {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let key = key.expect("a key");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is the certificate's");
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    server.alpn_protocols = vec![b"conformance".to_vec()];
    client.alpn_protocols = server.alpn_protocols.clone();
    (Arc::new(server), Arc::new(client))
}
