//! Lost packets, as a stream sees them.

use dipole_net::{Conn, ConnExt, ErrorKind};
use dipole_sim::{Config, Simulation};
use tokio::time::Instant;

use crate::{alpha_to_beta, kind, ms, secs};

#[test]
fn a_stream_arrives_whole_and_late() {
    let takes = |loss| {
        Simulation::new(Config::far(7, loss)).run(|network| async move {
            let (mut alpha, mut beta, _listener) = alpha_to_beta(&network).await;
            let data: Vec<u8> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
            let begin = Instant::now();
            let sent = data.clone();
            tokio::spawn(async move {
                for piece in sent.chunks(1460) {
                    alpha.write_all(piece).await.unwrap();
                }
                alpha.shutdown().await.unwrap();
                assert_eq!(kind(alpha.peek(1).await), ErrorKind::Eof);
            });
            assert!(beta.read_binary(data.len()).await.unwrap() == data);
            assert_eq!(kind(beta.peek(1).await), ErrorKind::Eof);
            begin.elapsed()
        })
    };
    let (clean, lossy) = (takes(0.0), takes(0.1));
    // 500 kB at 10 Mbit/s, and the last piece's way.
    assert!((ms(420)..ms(460)).contains(&clean), "{clean:?}");
    assert!(lossy > clean + ms(200), "{lossy:?}");
}

#[test]
fn a_stream_that_loses_everything_is_given_up() {
    let mut config = Config::default();
    config.loss.give_up_after = secs(30);
    Simulation::new(config.clone()).run(|network| async move {
        let (mut alpha, mut beta, _listener) = alpha_to_beta(&network).await;
        alpha.write_all(b"before").await.unwrap();
        assert_eq!(beta.peek(6).await.unwrap(), b"before");
        drop((alpha, beta));
    });
    config.loss.probability = 1.0;
    Simulation::new(config).run(|network| async move {
        let (mut alpha, mut beta) = network.pair();
        assert_eq!(kind(alpha.write_all(b"never").await), ErrorKind::Reset);
        beta.set_read_timeout(Some(secs(3600)));
        assert_eq!(kind(beta.peek(1).await), ErrorKind::TimedOut);
    });
}
