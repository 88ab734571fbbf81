//! A running clock, several threads, several runtimes.

use dipole_net::{Conn, ConnExt, DialerExt, ErrorKind};
use dipole_sim::{Config, Network};

use crate::{accept, kind, listen, ms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_on_different_workers_exchange_everything() {
    let mut config = Config::default();
    config.chunk = Some(1..=3000);
    let network = Network::new(config);
    let mut listener = listen(&network, "sim:alpha:80");
    let to = listener.local_addr();
    let server = tokio::spawn(async move {
        for _ in 0..4 {
            let mut conn = accept(&mut listener).await;
            tokio::spawn(async move {
                while conn.peek(1).await.is_ok() {
                    let data = conn.split(conn.buffered().len()).unwrap();
                    conn.write_binary(data);
                    conn.flush().await.unwrap();
                }
                conn.shutdown().await.unwrap();
            });
        }
    });
    let mut clients = Vec::new();
    for byte in 0..4_u8 {
        let mut conn = network.dial_timeout(&to, None).await.unwrap();
        clients.push(tokio::spawn(async move {
            for round in 1..200 {
                let data = vec![byte; round * 97];
                conn.write_all(&data).await.unwrap();
                assert_eq!(conn.read_binary(data.len()).await.unwrap(), data);
            }
            conn.shutdown().await.unwrap();
            assert_eq!(kind(conn.peek(1).await), ErrorKind::Eof);
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    server.await.unwrap();
}

#[test]
fn each_end_may_live_on_a_runtime_of_its_own() {
    let mut config = Config::default();
    config.latency = ms(1)..=ms(2);
    let (mut a, mut b) = Network::new(config).pair();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let other = std::thread::spawn(move || {
        runtime().block_on(async move {
            for _ in 0..20 {
                let byte = b.read_byte().await.unwrap();
                b.write_all(&[byte + 1]).await.unwrap();
            }
            assert_eq!(kind(b.read_byte().await), ErrorKind::Eof);
        });
    });
    runtime().block_on(async move {
        a.set_read_timeout(Some(ms(10_000)));
        for byte in 0..20 {
            a.write_all(&[byte]).await.unwrap();
            assert_eq!(a.read_byte().await.unwrap(), byte + 1);
        }
    });
    other.join().unwrap();
}
