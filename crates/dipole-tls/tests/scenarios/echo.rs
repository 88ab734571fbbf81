//! Bytes of every size arrive as they were sent.

use dipole_net::ConnExt;

use crate::Ends;

#[tokio::test(start_paused = true)]
async fn bytes_arrive_in_order_both_ways() {
    let (mut client, mut server) = Ends::new().connect().await;
    for size in [1, 100, 16 * 1024, 16 * 1024 + 1, 100_000] {
        let sent: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let echo = async {
            let got = server.read_binary(size).await.unwrap();
            server.write_binary(got);
            server.flush().await.unwrap();
        };
        let ask = async {
            client.write_all(&sent).await.unwrap();
            client.read_binary(size).await.unwrap()
        };
        let ((), back) = tokio::join!(echo, ask);
        assert_eq!(back, sent);
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_know_what_was_negotiated() {
    let ends = Ends::with(|server, _| server.alpn = vec!["h2".into()]);
    let (client, server) = ends.connect().await;
    let info = client.tls().unwrap();
    assert_eq!(info.version, "TLSv1.3");
    assert_eq!(info.cipher_suite, "TLS_AES_256_GCM_SHA384");
    assert_eq!(info.peer_certificates.len(), 1);
    assert!(!info.resumed && !info.early_data);
    assert_eq!(server.tls().unwrap().server_name.as_deref(), Some(crate::NAME));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_one_side_leaves_the_other_open() {
    let (mut client, mut server) = Ends::new().connect().await;
    client.shutdown().await.unwrap();
    assert!(server.peek(1).await.unwrap_err().is_eof());
    server.write_all(b"late").await.unwrap();
    assert_eq!(client.peek(4).await.unwrap(), b"late");
    drop(server);
    client.skip(4).unwrap();
    assert!(client.peek(1).await.unwrap_err().is_eof());
}
