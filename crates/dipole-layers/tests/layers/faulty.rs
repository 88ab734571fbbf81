use dipole_layers::Faulty;
use dipole_net::{Conn, ConnExt, ErrorKind};
use tokio::time::Instant;

use crate::{kind, ms, pair_under, secs};

#[tokio::test(start_paused = true)]
async fn pieces_delays_and_stalls_lose_nothing_and_repeat_under_their_seed() {
    async fn cuts(seed: u64) -> Vec<(usize, std::time::Duration)> {
        let faulty = Faulty::seeded(seed).split(1..=1000).delay(ms(0)..=ms(3));
        let (mut near, mut far) = pair_under(&faulty.stall(0.1, ms(50)..=ms(90))).await;
        let data: Vec<u8> = (0..50_000_u32).map(|n| (n % 251) as u8).collect();
        far.write_all(&data).await.unwrap();
        let begin = Instant::now();
        let (mut cuts, mut read) = (Vec::new(), Vec::new());
        while read.len() < data.len() {
            near.peek(1).await.unwrap();
            cuts.push((near.len(), begin.elapsed()));
            read.extend_from_slice(&near.split(near.len()).unwrap());
        }
        assert!(read == data);
        near.write_all(&data).await.unwrap();
        assert!(far.read_binary(data.len()).await.unwrap() == data);
        cuts
    }
    let first = cuts(5).await;
    assert!(first.len() > 50 && first.iter().all(|(length, _)| *length <= 1000));
    assert!(first.last().is_some_and(|(_, at)| *at > ms(300)));
    assert_eq!(first, cuts(5).await);
    assert_ne!(first, cuts(6).await);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_seen_by_both_ends_and_sticks() {
    for writes in [true, false] {
        let (mut near, mut far) = pair_under(&Faulty::seeded(1).reset(1.0)).await;
        if writes {
            assert_eq!(kind(near.write_all(b"x").await), ErrorKind::Reset);
        } else {
            far.write_all(b"x").await.unwrap();
            assert_eq!(kind(near.peek(1).await), ErrorKind::Reset);
        }
        assert_eq!(kind(far.peek(1).await), ErrorKind::Reset);
        assert_eq!(kind(near.peek(1).await), ErrorKind::Reset);
        assert_eq!(kind(near.write_all(b"x").await), ErrorKind::Reset);
        assert_eq!(near.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_direction_ends_early() {
    let faulty = || Faulty::seeded(3).split(100..=100).truncate(0.1);
    let (mut near, mut far) = pair_under(&faulty()).await;
    far.write_all(&[1; 100_000]).await.unwrap();
    near.set_read_timeout(Some(secs(1)));
    assert_eq!(kind(near.peek(100_000).await), ErrorKind::Eof);
    let came = near.len();
    assert!(came > 0 && came % 100 == 0, "{came}");
    assert_eq!(kind(near.peek(100_000).await), ErrorKind::Eof);

    let (mut near, mut far) = pair_under(&faulty()).await;
    assert_eq!(kind(near.write_all(&[1; 100_000]).await), ErrorKind::Closed);
    assert_eq!(kind(far.peek(100_000).await), ErrorKind::Eof);
    assert!(!far.is_empty());
}
