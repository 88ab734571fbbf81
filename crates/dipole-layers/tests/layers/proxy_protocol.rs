use dipole_layers::{Announcement, LayerExt, ProxyProtocol, ProxyVersion};
use dipole_net::{Conn, ConnExt, DialerExt, ErrorKind};
use dipole_sim::Network;
use tokio::time::Instant;

use crate::{accept, addr, kind, listen, secs};

#[tokio::test(start_paused = true)]
async fn the_server_sees_the_client_that_the_proxy_names() {
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let network = Network::default();
        let mut listener =
            listen(&ProxyProtocol::expect(secs(5)).over(network.clone()), "10.0.0.1:80");
        let (client, server) = (addr("203.0.113.7:4711"), addr("198.51.100.1:443"));
        let proxied = Announcement::Proxied { client: client.clone(), server: server.clone() };
        let proxy = ProxyProtocol::announce(version, proxied).over(network.clone());
        let mut dialled = proxy.dial_timeout(&addr("10.0.0.1:80"), None).await.unwrap();
        dialled.write_all(b"hello").await.unwrap();
        let mut accepted = accept(&mut listener).await.unwrap();
        assert_eq!((accepted.peer_addr(), accepted.local_addr()), (client, server));
        assert_eq!(accepted.peek(5).await.unwrap(), b"hello");
        assert_eq!(dialled.peer_addr(), addr("10.0.0.1:80"));

        let own = ProxyProtocol::announce(version, Announcement::Own).over(network);
        let dialled = own.dial_timeout(&addr("10.0.0.1:80"), None).await.unwrap();
        let accepted = accept(&mut listener).await.unwrap();
        assert_eq!(accepted.peer_addr(), dialled.local_addr());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_right_header_is_closed() {
    let network = Network::default();
    let mut listener =
        listen(&ProxyProtocol::expect(secs(5)).over(network.clone()), "sim:alpha:80");
    for (sent, expected) in [
        ("GET / HTTP/1.1\r\n", ErrorKind::InvalidInput),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", ErrorKind::InvalidInput),
        ("PROXY TCP4 1.2.3.4", ErrorKind::TimedOut),
        ("", ErrorKind::TimedOut),
    ] {
        let mut dialled = network.dial_timeout(&addr("sim:alpha:80"), None).await.unwrap();
        dialled.write_all(sent.as_bytes()).await.unwrap();
        let begin = Instant::now();
        assert_eq!(kind(accept(&mut listener).await), expected, "{sent:?}");
        assert!(begin.elapsed() <= secs(5));
        assert_eq!(kind(dialled.peek(1).await), ErrorKind::Eof);
    }
}
