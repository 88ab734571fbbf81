//! Bytes that are queued when a direction ends.

use std::future::poll_fn;

use dipole_net::{Addr, Conn, ConnExt, DialerExt, ErrorKind, ListenOptions, Transport};
use dipole_tokio::Tokio;

async fn connected() -> (Box<dyn Conn>, Box<dyn Conn>) {
    let any: Addr = "127.0.0.1:0".parse().unwrap();
    let mut listener = Tokio::new().listen(&any, &ListenOptions::default()).unwrap().remove(0);
    let near = Tokio::new().dial_timeout(&listener.local_addr(), None).await.unwrap();
    let far = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap().accept().await.unwrap();
    (near, far.into_bytes().unwrap())
}

#[tokio::test]
async fn what_is_queued_arrives_whole_before_the_end() {
    // Nothing; less than a packet; more than a socket takes at once, copied and not.
    for size in [0, 1, 5_000, 100_000, 8 << 20] {
        let (mut near, mut far) = connected().await;
        let sent: Vec<u8> = (0..size).map(|number| number as u8).collect();
        for piece in sent.chunks(1 << 20) {
            near.malloc(piece.len()).copy_from_slice(piece);
        }
        let read = async {
            let read = far.read_binary(size).await?;
            let end = far.peek(1).await.unwrap_err();
            Ok::<_, dipole_net::Error>((read, end))
        };
        let (ended, read) = tokio::join!(near.shutdown(), read);
        ended.unwrap();
        let (read, end) = read.unwrap();
        assert!(read == sent, "{size} bytes");
        assert_eq!(end.kind(), &ErrorKind::Eof);
        assert_eq!((near.queued(), near.stats().sent), (0, size as u64));
        // The other direction goes on.
        far.write_all(b"still here").await.unwrap();
        assert_eq!(near.read_binary(10).await.unwrap(), "still here");
    }
}
