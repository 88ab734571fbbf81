//! Keys that are changed while a connection goes on (RFC 8446 section 4.6.3).

use std::sync::Arc;

use dipole_net::{Conn, ConnExt, ErrorKind, TlsLayer, TlsOptions};

use dipole_tls::Versions;

use crate::peer::Peer;
use crate::{Ends, NAME, plain};

/// One end of ours and a peer, and then the other way round.
async fn both_ways(ends: &Ends) -> [(Box<dyn Conn>, Peer); 2] {
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
    for (mut ours, mut peer) in both_ways(&Ends::new()).await {
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
    for (mut ours, mut peer) in both_ways(&Ends::new()).await {
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

/// Ends that change their keys after so many records.
fn ends_changing_after(records: u32, versions: Versions) -> Ends {
    Ends::with(|server, client| {
        (server.records_per_key, client.records_per_key) = (records, records);
        (server.versions, client.versions) = (versions, versions);
    })
}

#[tokio::test(start_paused = true)]
async fn keys_are_changed_after_as_many_records_as_are_allowed() {
    // What a record of one byte takes, and the change of keys (RFC 8446 sections 4.6.3, 5.2).
    for (versions, record, change) in [(Versions::Only13, 23, 27), (Versions::Only12, 30, 0)] {
        for (mut ours, mut peer) in both_ways(&ends_changing_after(10, versions)).await {
            // Session tickets come with the first bytes.
            ours.write_all(b"first").await.unwrap();
            assert_eq!(peer.read(5).await.unwrap(), b"first");
            let before = peer.taken;
            for round in 0..100_u8 {
                ours.write_all(&[round]).await.unwrap();
                assert_eq!(peer.read(1).await.unwrap(), [round]);
            }
            assert_eq!(peer.taken - before, 100 * record + 10 * change, "{versions:?}");
            // The peer was asked to change its own.
            peer.write(b"answer").await.unwrap();
            assert_eq!(ours.read_binary(6).await.unwrap(), "answer");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_may_change_their_keys_with_each_record_at_the_same_time() {
    const PIECES: u32 = 500;
    let (client, server) = ends_changing_after(0, Versions::Only13).connect().await;
    let talk = |mut conn: Box<dyn Conn>| async move {
        for number in 0..PIECES {
            // Long ones go another way than short ones.
            let size = if number % 2 == 0 { 3 } else { 20_000 };
            conn.malloc(size).fill(number as u8);
            conn.flush().await?;
            let got = conn.read_binary(size).await?;
            assert!(got.iter().all(|byte| *byte == number as u8), "{number}");
        }
        conn.flush().await
    };
    let (near, far) = tokio::join!(talk(client), talk(server));
    near.unwrap();
    far.unwrap();
}
