//! The secrets of QUIC's connections, written where they are asked for; on both QUIC libraries, by both
//! ends.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use dipole::net::{Addr, DialOptions, Dialer, DialerExt, ListenOptions, Transport};
use dipole::quinn::Quinn;
use dipole::s2n::S2n;
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use tokio::time::timeout;

/// What a handshake takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_both_ends_log_the_same_secrets() {
    both_ends_log_the_same("quinn", Quinn::new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_both_ends_log_the_same_secrets() {
    both_ends_log_the_same("s2n", S2n::new).await;
}

async fn both_ends_log_the_same<L>(name: &str, library: fn(ServerTls, ClientTls) -> L)
where
    L: Transport + Dialer + 'static,
{
    let folder = Folder::new(name);
    let (at_server, at_client) = (folder.0.join("server"), folder.0.join("client"));
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let authority = Authority::new("key log", now - hour..now + hour).expect("an authority");
    let issued = authority.issue(&["127.0.0.1"], now - hour..now + hour).expect("a certificate");
    let mut server = ServerTlsOptions::new(issued.identity);
    server.key_log = Some(at_server.clone());
    let mut client = ClientTlsOptions::default();
    client.roots = authority.roots();
    client.key_log = Some(at_client.clone());
    let server = ServerTls::new(&server).expect("a server");
    let library = library(server, ClientTls::new(&client).expect("a client"));

    let addr: Addr = "127.0.0.1:0".parse().expect("an address");
    let mut listener = library.listen(&addr, &ListenOptions::default()).expect("a port").remove(0);
    let to = listener.local_addr();
    let accepting = tokio::spawn(async move {
        let incoming = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a client");
        incoming.accept().await.expect("a handshake")
    });
    let dialed = timeout(PATIENCE, library.dial_streams(&to, &DialOptions::default())).await;
    let dialed = dialed.expect("in time").expect("a connection");
    let accepted = timeout(PATIENCE, accepting).await.expect("in time").expect("no panic");
    let (at_server, at_client) = (lines(&at_server), lines(&at_client));
    assert_eq!(at_server, at_client);
    for label in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    ] {
        let count = at_server.iter().filter(|line| line.starts_with(&format!("{label} "))).count();
        assert_eq!(count, 1, "{label} in {at_server:?}");
    }
    drop((dialed, accepted));
}

fn lines(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).expect("a key log");
    text.lines().map(Into::into).collect()
}

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("dipole-key-log-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
