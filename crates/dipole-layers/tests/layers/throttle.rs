use dipole_layers::Throttle;
use dipole_net::{Conn, ConnExt, ErrorKind};
use tokio::time::Instant;

use crate::{kind, ms, pair_under, secs};

#[tokio::test(start_paused = true)]
async fn reads_and_writes_keep_to_their_rates() {
    let (mut near, mut far) = pair_under(&Throttle::new().read(100_000).write(50_000)).await;
    far.write_all(&[1; 200_000]).await.unwrap();
    let begin = Instant::now();
    near.skip_all(200_000).await.unwrap();
    assert!((ms(1940)..ms(1960)).contains(&begin.elapsed()), "{:?}", begin.elapsed());

    let begin = Instant::now();
    near.write_all(&[2; 100_000]).await.unwrap();
    assert!((ms(1940)..ms(1960)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert_eq!(far.read_binary(100_000).await.unwrap(), vec![2; 100_000]);
}

#[tokio::test(start_paused = true)]
async fn timeouts_count_what_the_rate_costs() {
    let (mut near, mut far) = pair_under(&Throttle::new().read(1000).write(1000)).await;
    far.write_all(&[1; 10_000]).await.unwrap();
    near.set_read_timeout(Some(secs(1)));
    let begin = Instant::now();
    assert_eq!(kind(near.peek(10_000).await), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed(), secs(1));
    assert!((1000..1150).contains(&near.len()), "{}", near.len());
    near.set_read_timeout(None);
    near.skip_all(10_000).await.unwrap();

    near.set_write_timeout(Some(secs(1)));
    assert_eq!(kind(near.write_all(&[1; 10_000]).await), ErrorKind::TimedOut);
    assert_eq!(kind(near.flush().await), ErrorKind::TimedOut);
    assert_eq!(near.queued(), 0);
}
