//! Servers that ask who their clients are.

use dipole_net::{ConnExt, ErrorKind, TlsFault, TlsLayer, TlsOptions};
use dipole_tls::{ClientCertificates, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};

use crate::{NAME, authority, plain, this_year};

#[tokio::test(start_paused = true)]
async fn a_client_shows_its_certificate_where_it_has_one_and_is_refused_where_it_must() {
    let (authority, stranger) = (authority(), authority());
    let named = |authority: &dipole_tls::Authority| {
        Some(authority.issue(&["client.test"], this_year()).unwrap().identity)
    };
    let (required, optional) = (ClientCertificates::Required, ClientCertificates::Optional);
    for (asked, identity, expected) in [
        (required(authority.roots()), named(&authority), Ok(1)),
        (required(authority.roots()), None, Err(Some(TlsFault::NoCertificate))),
        (required(authority.roots()), named(&stranger), Err(Some(TlsFault::BadCertificate))),
        (optional(authority.roots()), named(&authority), Ok(1)),
        (optional(authority.roots()), None, Ok(0)),
    ] {
        let issued = authority.issue(&[NAME], this_year()).unwrap();
        let mut options = ServerTlsOptions::new(issued.identity);
        options.client_certificates = asked;
        let server = ServerTls::new(&options).unwrap();
        let mut options = ClientTlsOptions::default();
        (options.roots, options.identity) = (authority.roots(), identity);
        let client = ClientTls::new(&options).unwrap();

        let (near, far) = plain().await;
        let options = TlsOptions::new(NAME);
        let (client, server) = tokio::join!(client.add_tls(near, &options), server.accept(far));
        match (server, expected) {
            (Ok(server), Ok(certificates)) => {
                assert_eq!(server.tls().unwrap().peer_certificates.len(), certificates);
            }
            (Err(error), Err(fault)) => {
                assert_eq!(error.kind(), &ErrorKind::Tls);
                let unknown = Some(TlsFault::UnknownIssuer);
                assert!(error.tls_fault() == fault || error.tls_fault() == unknown, "{error}");
                // In TLS 1.3 a client learns of it when it first reads.
                let told = client.unwrap().peek(1).await.unwrap_err();
                assert!(matches!(told.tls_fault(), Some(TlsFault::Alert(_))), "{told}");
            }
            (server, expected) => panic!("{server:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_vouches_for_clients_can_change_while_the_server_runs() {
    let (first, second) = (authority(), authority());
    let mut options = ServerTlsOptions::new(first.issue(&[NAME], this_year()).unwrap().identity);
    options.client_certificates = ClientCertificates::Required(first.roots());
    let server = ServerTls::new(&options).unwrap();
    let client = |issuer: &dipole_tls::Authority| {
        let mut options = ClientTlsOptions::default();
        options.roots = first.roots();
        options.identity = Some(issuer.issue(&["client.test"], this_year()).unwrap().identity);
        ClientTls::new(&options).unwrap()
    };
    let (old, new) = (client(&first), client(&second));
    let connect = async |client: &ClientTls| {
        let (near, far) = plain().await;
        let options = TlsOptions::new(NAME);
        let (near, far) = tokio::join!(client.add_tls(near, &options), server.accept(far));
        let (mut near, mut far) = (near?, far?);
        // With it come the tickets of the session.
        far.write_all(b"x").await?;
        near.skip_all(1).await?;
        Ok::<_, dipole_net::Error>((near, far))
    };
    let (mut kept, mut there) = connect(&old).await.unwrap();
    assert!(connect(&old).await.unwrap().1.tls().unwrap().resumed);
    assert!(connect(&new).await.is_err());

    server.reload_client_certificates(&ClientCertificates::Required(second.roots())).unwrap();
    // Not by its session either.
    assert!(connect(&old).await.is_err());
    assert!(connect(&new).await.is_ok());
    kept.write_all(b"still here").await.unwrap();
    assert_eq!(there.peek(10).await.unwrap(), b"still here");

    // Nobody can be verified by these.
    let impossible = ClientCertificates::Required(dipole_tls::Roots::Platform);
    assert!(server.reload_client_certificates(&impossible).is_err());
    assert!(connect(&new).await.is_ok());
}
