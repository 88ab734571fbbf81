//! Several certificates by name, and others while the server runs.

use dipole_net::{ConnExt, TlsLayer, TlsOptions};
use dipole_tls::{ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};

use crate::{authority, plain, this_year};

#[tokio::test(start_paused = true)]
async fn each_name_is_shown_its_certificate_and_a_reload_changes_them() {
    let authority = authority();
    let issue = |name| authority.issue(&[name], this_year()).unwrap().identity;
    let mut options = ServerTlsOptions::new(issue("one.test"));
    options.identities.push(issue("*.two.test"));
    let server = ServerTls::new(&options).unwrap();
    let mut trusting = ClientTlsOptions::default();
    trusting.roots = authority.roots();
    let client = ClientTls::new(&trusting).unwrap();

    let connect = async |name: &str| {
        let (near, far) = plain().await;
        let options = TlsOptions::new(name);
        tokio::join!(client.add_tls(near, &options), server.accept(far))
    };
    assert!(connect("one.test").await.0.is_ok());
    let (kept, there) = connect("a.two.test").await;
    let (mut kept, mut there) = (kept.unwrap(), there.unwrap());
    assert_eq!(there.tls().unwrap().server_name.as_deref(), Some("a.two.test"));
    assert!(connect("three.test").await.0.is_err());

    server.reload(&[issue("three.test")]).unwrap();
    assert!(connect("three.test").await.0.is_ok());
    kept.write_all(b"still here").await.unwrap();
    assert_eq!(there.peek(10).await.unwrap(), b"still here");
    assert!(server.reload(&[]).is_err());
    assert!(connect("three.test").await.0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_connection_tells_the_name_that_its_own_client_asked_for() {
    let authority = authority();
    let names = ["one.test", "two.test", "127.0.0.1"];
    let identity = authority.issue(&names, this_year()).unwrap().identity;
    let server = ServerTls::new(&ServerTlsOptions::new(identity)).unwrap();
    let mut trusting = ClientTlsOptions::default();
    trusting.roots = authority.roots();
    let client = ClientTls::new(&trusting).unwrap();

    let asked_for = async |name: &str| {
        let (near, far) = plain().await;
        let options = TlsOptions::new(name);
        let (near, far) = tokio::join!(client.add_tls(near, &options), server.accept(far));
        near.unwrap();
        far.unwrap().tls().unwrap().server_name.clone()
    };
    // Later handshakes find what earlier ones have left; several are under way at a time.
    for _ in 0..3 {
        let [one, two, address] = names.map(&asked_for);
        let told = tokio::join!(one, two, address);
        // An address is no name (RFC 6066 section 3).
        assert_eq!(told, (Some("one.test".into()), Some("two.test".into()), None));
        assert_eq!(asked_for("127.0.0.1").await, None);
        assert_eq!(asked_for("two.test").await.as_deref(), Some("two.test"));
    }
}
