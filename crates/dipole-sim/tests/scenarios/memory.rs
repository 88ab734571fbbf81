//! What connections hold, and that nothing is left.

use dipole_net::{Conn, ConnExt, DialerExt};
use dipole_sim::Network;

use crate::{accept, listen};

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_buffer() {
    let (mut a, mut b) = Network::default().pair();
    a.put(&[1; 5000]);
    assert!(a.stats().output_memory >= 5000);
    a.flush().await.unwrap();
    assert_eq!(a.stats().output_memory, 0);
    b.peek(5000).await.unwrap();
    assert!(b.stats().input_memory >= 5000);
    b.skip(5000).unwrap();
    b.release();
    assert_eq!(b.stats().input_memory, 0);
    assert!(crate::poll_once(b.peek(1)).is_pending());
    assert_eq!(b.stats().input_memory, 0);
}

#[tokio::test(start_paused = true)]
async fn reading_in_small_pieces_holds_little() {
    let (mut a, mut b) = Network::default().pair();
    let writer = tokio::spawn(async move {
        a.malloc(1 << 20);
        a.flush().await.unwrap();
        a
    });
    for _ in 0..1024 {
        b.peek(1024).await.unwrap();
        assert!(b.stats().input_memory <= 64 * 1024, "{}", b.stats().input_memory);
        b.skip(1024).unwrap();
        b.release();
    }
    writer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_connections_that_ended_in_every_way() {
    let network = Network::default();
    let mut listener = listen(&network, "sim:alpha:80");
    let to = listener.local_addr();
    for way in 0..10_000 {
        let mut client = network.dial_timeout(&to, None).await.unwrap();
        let mut server = accept(&mut listener).await;
        client.write_all(b"request").await.unwrap();
        server.peek(3 + way % 5).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        match way % 6 {
            0 => client.close(),
            1 => client.reset(),
            2 => server.shutdown().await.unwrap(),
            3 => server.closer().close(),
            4 => drop(client),
            _ => server.reset(),
        }
    }
    let stats = network.stats();
    assert_eq!((stats.connections, stats.ends, stats.in_flight), (0, 0, 0));
    assert_eq!((stats.made, stats.unaccepted), (10_000, 0));
}
