//! A second connection resumes the session of the first.

use std::time::Duration;

use dipole_net::{ConnExt, ErrorKind};
use dipole_tls::Versions;

use crate::Ends;

#[tokio::test(start_paused = true)]
async fn sessions_are_resumed_in_both_versions() {
    for versions in [Versions::Only13, Versions::Only12] {
        let ends = Ends::with(|server, _| server.versions = versions);
        for is_resumed in [false, true, true] {
            let (mut client, mut server) = ends.connect().await;
            assert_eq!(client.tls().unwrap().resumed, is_resumed, "{versions:?}");
            assert_eq!(server.tls().unwrap().resumed, is_resumed, "{versions:?}");
            // Tickets of TLS 1.3 come with the first bytes.
            server.write_all(b"x").await.unwrap();
            client.skip_all(1).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tickets_are_sent_while_the_server_waits_for_the_first_bytes() {
    let ends = Ends::new();
    let (mut client, mut server) = ends.connect().await;
    assert_eq!(server.queued(), 0, "nothing of the server's owner");
    assert!(server.stats().output_memory > 0, "they leave with what comes next, if it comes soon");
    let patience = Duration::from_secs(1);
    let waiting = async {
        let (read, taken) = tokio::join!(
            tokio::time::timeout(patience, server.peek(1)),
            tokio::time::timeout(patience, client.peek(1)),
        );
        read.is_err() && taken.is_err()
    };
    assert!(waiting.await);
    assert_eq!((server.queued(), server.stats().output_memory), (0, 0));
    assert!(ends.connect().await.0.tls().unwrap().resumed);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_at_once_has_sent_tickets_and_its_end() {
    let ends = Ends::new();
    let (mut client, mut server) = ends.connect().await;
    server.close();
    assert_eq!(client.peek(1).await.unwrap_err().kind(), &ErrorKind::Eof);
    assert!(ends.connect().await.0.tls().unwrap().resumed);
}
