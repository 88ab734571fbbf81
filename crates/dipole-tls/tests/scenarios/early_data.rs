//! Data that comes with a client's first message (RFC 8446 section 2.3).

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::ConnExt;
use rustls::{ClientConfig, Connection};

use crate::peer::Peer;
use crate::{Ends, plain};

/// A client that has a session of this server, and offers early data where it may.
async fn client_with_session(ends: &Ends) -> Arc<ClientConfig> {
    let mut config = ends.client.rustls_config();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let (near, far) = plain().await;
    let mut peer = Peer::client(near, &config);
    let (shaken, server) = tokio::join!(peer.shake_hands(), ends.server.accept(far));
    shaken.unwrap();
    server.unwrap().write_all(b"x").await.unwrap();
    // The ticket comes before it.
    assert_eq!(peer.read(1).await.unwrap(), b"x");
    config
}

/// Puts `data` with the client's first message; false when the session allows none.
fn offer(peer: &mut Peer, data: &[u8]) -> bool {
    let Connection::Client(client) = &mut peer.tls else { panic!("a client") };
    client.early_data().is_some_and(|mut early| early.write_all(data).is_ok())
}

fn is_accepted(peer: &Peer) -> bool {
    let Connection::Client(client) = &peer.tls else { panic!("a client") };
    client.is_early_data_accepted()
}

#[tokio::test(start_paused = true)]
async fn early_data_is_off_unless_it_is_asked_for() {
    let ends = Ends::new();
    let config = client_with_session(&ends).await;
    let mut peer = Peer::client(plain().await.0, &config);
    assert!(!offer(&mut peer, b"early"));
}

#[tokio::test(start_paused = true)]
async fn early_data_is_taken_and_marked_where_it_is_asked_for() {
    let ends = Ends::with(|server, _| server.max_early_data = 1000);
    let config = client_with_session(&ends).await;
    let (near, far) = plain().await;
    let mut peer = Peer::client(near, &config);
    assert!(offer(&mut peer, b"early"));
    let (shaken, server) = tokio::join!(peer.shake_hands(), ends.server.accept(far));
    shaken.unwrap();
    assert!(is_accepted(&peer));
    let mut server = server.unwrap();
    let info = server.tls().unwrap();
    assert!(info.early_data && info.resumed);
    peer.write(b" and late").await.unwrap();
    assert_eq!(server.read_binary(14).await.unwrap(), "early and late");
    server.write_all(b"both").await.unwrap();
    assert_eq!(peer.read(4).await.unwrap(), b"both");
}

#[tokio::test(start_paused = true)]
async fn early_data_that_somebody_sends_again_is_not_taken_again() {
    let ends = Ends::with(|server, _| server.max_early_data = 1000);
    let config = client_with_session(&ends).await;
    let (near, far) = plain().await;
    let mut peer = Peer::client(near, &config);
    assert!(offer(&mut peer, b"pay once"));
    let flight = peer.flight();
    peer.conn.write_all(&flight).await.unwrap();
    let (shaken, server) = tokio::join!(peer.shake_hands(), ends.server.accept(far));
    shaken.unwrap();
    assert_eq!(server.unwrap().read_binary(8).await.unwrap(), "pay once");

    let (mut near, far) = plain().await;
    near.write_all(&flight).await.unwrap();
    let again = tokio::time::timeout(Duration::from_secs(60), ends.server.accept(far));
    // The handshake goes on without the session, which whoever repeats it cannot end.
    assert!(again.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn early_data_that_is_refused_is_passed_over() {
    let ends = Ends::with(|server, _| server.max_early_data = 1000);
    let config = client_with_session(&ends).await;
    // Another server with the same certificate knows nothing of the session.
    for max_early_data in [0, 1000] {
        let stranger = ends.server_like(|options| options.max_early_data = max_early_data);
        let (near, far) = plain().await;
        let mut peer = Peer::client(near, &config);
        assert!(offer(&mut peer, b"early"));
        let (shaken, server) = tokio::join!(peer.shake_hands(), stranger.accept(far));
        shaken.unwrap();
        assert!(!is_accepted(&peer));
        let mut server = server.unwrap();
        assert!(!server.tls().unwrap().early_data);
        peer.write(b"late").await.unwrap();
        assert_eq!(server.read_binary(4).await.unwrap(), "late");
    }
}
