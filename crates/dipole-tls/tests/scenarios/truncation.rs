//! What a peer, or whoever is in the way, cuts off or spoils.

use std::time::Duration;

use dipole_net::{ConnExt, ErrorKind, TlsLayer, TlsOptions};

use crate::{Ends, NAME, plain};

#[tokio::test(start_paused = true)]
async fn an_end_without_close_notify_is_no_end_in_order() {
    let ends = Ends::new();
    let (near, mut far) = plain().await;
    let below = far.closer();
    let options = TlsOptions::new(NAME);
    let (client, server) =
        tokio::join!(ends.client.add_tls(near, &options), ends.server.accept(far));
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.write_all(b"half").await.unwrap();
    below.close();
    drop(server);
    assert_eq!(client.peek(4).await.unwrap(), b"half");
    let error = client.peek(5).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Reset, "{error}");
    assert_eq!(client.peek(4).await.unwrap(), b"half");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_cut_or_spoilt_at_any_byte_ends_with_an_error() {
    let ends = Ends::new();
    let hello = first_flight(&ends).await;
    for at in 0..hello.len() {
        // Cut there; then, with that byte spoilt.
        let mut spoilt = hello.clone();
        spoilt[at] ^= 0x55;
        for said in [&hello[..at], &spoilt] {
            let (mut near, far) = plain().await;
            near.write_all(said).await.unwrap();
            near.shutdown().await.unwrap();
            let accepted = tokio::time::timeout(Duration::from_secs(5), ends.server.accept(far));
            assert!(accepted.await.expect("it does not hang").is_err(), "at byte {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_is_refused_by_either_end() {
    let ends = Ends::new();
    let options = TlsOptions::new(NAME);
    for seed in 0..200_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let garbage: Vec<u8> = (0..300)
            .map(|at| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                // Half of them begin as a record does.
                match (seed % 2, at) {
                    (0, 0) => 20 + (state % 5) as u8,
                    (0, 1 | 2) => 3,
                    (0, 3) => 0,
                    _ => (state >> 32) as u8,
                }
            })
            .collect();
        for is_server in [true, false] {
            let (mut near, far) = plain().await;
            near.write_all(&garbage).await.unwrap();
            near.shutdown().await.unwrap();
            let refused = async {
                match is_server {
                    true => ends.server.accept(far).await,
                    false => ends.client.add_tls(far, &options).await,
                }
            };
            let refused = tokio::time::timeout(Duration::from_secs(5), refused).await;
            assert!(refused.expect("it does not hang").is_err(), "seed {seed}");
        }
    }
}

/// What a client sends first.
async fn first_flight(ends: &Ends) -> Vec<u8> {
    let (near, mut far) = plain().await;
    let mut options = TlsOptions::new(NAME);
    options.timeout = Some(Duration::from_millis(1));
    assert!(ends.client.add_tls(near, &options).await.unwrap_err().is_timeout());
    let mut said = Vec::new();
    while far.peek(1).await.is_ok() {
        let held = far.len();
        said.extend_from_slice(&far.split(held).unwrap());
    }
    said
}
