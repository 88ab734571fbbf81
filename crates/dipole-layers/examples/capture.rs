//! Two exchanges over a simulated network, captured: `cargo run --example capture -- FILE`, then
//! open FILE with Wireshark, or `tcpdump -r FILE`.

use dipole_layers::{LayerExt, Origin, Pcap, Trace};
use dipole_net::{ConnExt, Result};
use dipole_sim::Network;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "dipole.pcap".into());
    let trace = Trace::new().pcap(Pcap::create(path)?);
    for _ in 0..2 {
        let (client, mut server) = Network::default().pair();
        let mut client = trace.around(Box::new(client), Origin::Dialed).await?;
        client.write_all(b"GET / HTTP/1.1\r\nhost: example.org\r\n\r\n").await?;
        server.skip_all(37).await?;
        server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await?;
        client.skip_all(43).await?;
    }
    Ok(())
}
