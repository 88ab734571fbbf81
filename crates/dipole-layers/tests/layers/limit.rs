use dipole_layers::{LayerExt, Limit};
use dipole_net::{ConnExt, DialerExt, ErrorKind};
use dipole_sim::Network;
use tokio::time::{Instant, timeout};

use crate::{accept, addr, kind, listen, pair_under, secs};

#[tokio::test(start_paused = true)]
async fn accepting_waits_for_a_place() {
    let network = Network::default();
    let mut listener = listen(&Limit::new().connections(2).over(network.clone()), "sim:alpha:80");
    let mut dialled = Vec::new();
    for _ in 0..3 {
        dialled.push(network.dial_timeout(&addr("sim:alpha:80"), None).await.unwrap());
    }
    let first = accept(&mut listener).await.unwrap();
    let _second = accept(&mut listener).await.unwrap();
    assert!(timeout(secs(1), accept(&mut listener)).await.is_err());
    let accepting = tokio::spawn(async move { accept(&mut listener).await.is_ok() });
    tokio::task::yield_now().await;
    drop(first);
    assert!(timeout(secs(1), accepting).await.expect("in time").unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_dial_too_many_is_refused_for_now() {
    let network = Network::default();
    let _listener = listen(&network, "sim:alpha:80");
    let limited = Limit::new().connections(1).over(network);
    let first = limited.dial_timeout(&addr("sim:alpha:80"), None).await.unwrap();
    let second = limited.dial_timeout(&addr("sim:alpha:80"), None).await;
    assert!(second.is_err_and(|error| error.is_temporary()));
    drop(first);
    limited.dial_timeout(&addr("sim:alpha:80"), None).await.unwrap();
    let refused = limited.dial_timeout(&addr("sim:alpha:81"), None).await;
    assert_eq!(kind(refused), ErrorKind::Refused);
    limited.dial_timeout(&addr("sim:alpha:80"), None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_and_age_are_bounded() {
    let (mut near, mut far) = pair_under(&Limit::new().received(1000).sent(1000)).await;
    far.write_all(&[1; 1000]).await.unwrap();
    near.skip_all(1000).await.unwrap();
    near.write_all(&[1; 1000]).await.unwrap();
    assert_eq!(kind(near.write_all(b"x").await), ErrorKind::Closed);
    assert_eq!(far.read_binary(1000).await.unwrap().len(), 1000);
    assert_eq!(kind(far.peek(1).await), ErrorKind::Eof);

    let (mut near, mut far) = pair_under(&Limit::new().received(1000)).await;
    far.write_all(&[1; 1001]).await.unwrap();
    assert_eq!(kind(near.skip_all(1001).await), ErrorKind::Closed);

    let (mut near, mut far) = pair_under(&Limit::new().lifetime(secs(60))).await;
    let begin = Instant::now();
    assert_eq!(kind(near.peek(1).await), ErrorKind::Closed);
    assert_eq!(begin.elapsed(), secs(60));
    assert_eq!(kind(far.peek(1).await), ErrorKind::Eof);
}
