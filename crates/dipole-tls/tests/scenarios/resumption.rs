//! A second connection resumes the session of the first.

use dipole_net::ConnExt;
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
