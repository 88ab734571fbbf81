//! Keys that are changed while a connection goes on (RFC 8446 section 4.6.3).

use std::sync::Arc;

use dipole_net::{Conn, ConnExt, ErrorKind, TlsLayer, TlsOptions};

use crate::peer::Peer;
use crate::{Ends, NAME, plain};

/// One end of ours and a peer, and then the other way round.
async fn both_ways() -> [(Box<dyn Conn>, Peer); 2] {
    let ends = Ends::new();
    let (near, far) = plain().await;
    let mut peer = Peer::client(near, &Arc::new(ends.client.rustls_config()));
    let (shaken, ours) = tokio::join!(peer.shake_hands(), ends.server.accept(far));
    shaken.unwrap();
    let served = (ours.unwrap(), peer);

    let (near, far) = plain().await;
    let mut peer = Peer::server(far, ends.server.rustls_config());
    let options = TlsOptions::new(NAME);
    let (shaken, ours) = tokio::join!(peer.shake_hands(), ends.client.add_tls(near, &options));
    shaken.unwrap();
    [served, (ours.unwrap(), peer)]
}

#[tokio::test(start_paused = true)]
async fn a_peer_may_change_its_keys_and_ask_for_new_ones_at_any_time() {
    for (mut ours, mut peer) in both_ways().await {
        // Session tickets come with the first bytes.
        ours.write_all(b"first").await.unwrap();
        assert_eq!(peer.read(5).await.unwrap(), b"first");
        for round in 0..100_u8 {
            let before = peer.taken;
            ours.write_all(&[round]).await.unwrap();
            assert_eq!(peer.read(1).await.unwrap(), [round]);
            let record = peer.taken - before;

            peer.tls.refresh_traffic_keys().unwrap();
            peer.write(&[round; 50]).await.unwrap();
            assert_eq!(ours.read_binary(50).await.unwrap(), [round; 50][..]);

            let before = peer.taken;
            ours.write_all(&[round]).await.unwrap();
            assert_eq!(peer.read(1).await.unwrap(), [round]);
            assert!(peer.taken - before > record, "the other direction's keys are changed, too");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_keys_without_end_end_the_connection_and_hold_no_memory() {
    for (mut ours, mut peer) in both_ways().await {
        let flood = async {
            for _ in 0..1000 {
                peer.tls.refresh_traffic_keys().unwrap();
                if peer.send().await.is_err() {
                    break;
                }
            }
        };
        let (ended, ()) = tokio::join!(ours.peek(1), flood);
        assert_eq!(ended.unwrap_err().kind(), &ErrorKind::Tls);
        ours.release();
        assert!(ours.queued() < 1024 && ours.stats().output_memory < 1024, "{:?}", ours.stats());
        assert_eq!(ours.flush().await.unwrap_err().kind(), &ErrorKind::Tls);
    }
}
