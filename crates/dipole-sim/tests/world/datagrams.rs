//! Datagrams: whole or not at all.

use dipole_net::{Addr, ErrorKind};
use dipole_sim::{Config, DatagramSocket, Network, Simulation};
use tokio::time::{Instant, timeout};

use crate::{addr, kind, ms, secs};

fn sockets(network: &Network) -> (DatagramSocket, DatagramSocket) {
    let bind = |text: &str| network.bind_datagrams(&addr(text)).expect("a free place");
    (bind("10.0.0.1:5000"), bind("10.0.0.2:0"))
}

async fn received(socket: &DatagramSocket) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Ok(datagram) = timeout(secs(5), socket.receive()).await {
        all.push(datagram.expect("the host is up").data.to_vec());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_faultless_network_delivers_each_once_and_in_order() {
    let network = Network::default();
    let (alpha, beta) = sockets(&network);
    for n in 0..100_u8 {
        alpha.send(&beta.local_addr(), &[n; 1000]).unwrap();
    }
    let first = beta.receive().await.unwrap();
    assert_eq!((first.from, first.data.len()), (alpha.local_addr(), 1000));
    let rest = received(&beta).await;
    assert!(rest.iter().map(|data| data[0]).eq(1..100));
    // One that is longer than the way can carry is lost, and nobody says so.
    alpha.send(&beta.local_addr(), &[0; 1473]).unwrap();
    alpha.send(&addr("10.0.0.3:1"), b"nobody is there").unwrap();
    assert!(received(&beta).await.is_empty());
    assert_eq!(kind(alpha.send(&Addr::Unnamed, b"")), ErrorKind::Unsupported);
    let taken = network.bind_datagrams(&addr("10.0.0.1:5000"));
    assert_eq!(kind(taken), ErrorKind::AddrInUse);
}

#[test]
fn some_are_lost_some_overtaken_some_doubled() {
    Simulation::new(Config::far(3, 0.1)).run(|network| async move {
        let (alpha, beta) = sockets(&network);
        for n in 0..1000_u32 {
            alpha.send(&beta.local_addr(), &n.to_le_bytes()).unwrap();
            tokio::time::sleep(ms(2)).await;
        }
        let all = received(&beta).await;
        let mut once = all.clone();
        once.sort();
        once.dedup();
        assert!((850..950).contains(&once.len()), "{} of 1000", once.len());
        assert!(all.len() > once.len(), "none is doubled");
        let number = |data: &Vec<u8>| u32::from_le_bytes([data[0], data[1], data[2], data[3]]);
        let overtaken = all.windows(2).filter(|pair| number(&pair[0]) > number(&pair[1])).count();
        assert!(overtaken > 20, "{overtaken}");
    });
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_for_the_bandwidth_is_lost() {
    let mut config = Config::default();
    config.bandwidth = Some(100_000);
    let network = Network::new(config);
    let (alpha, beta) = sockets(&network);
    let begin = Instant::now();
    for _ in 0..100 {
        alpha.send(&beta.local_addr(), &[0; 1000]).unwrap();
    }
    let last = async {
        for _ in 0..21 {
            beta.receive().await.unwrap();
        }
        begin.elapsed()
    };
    assert_eq!(last.await, ms(210));
    assert!(received(&beta).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_crash_closes_its_sockets_and_a_cut_loses_what_is_sent() {
    let network = Network::default();
    let (alpha, beta) = sockets(&network);
    network.cut("10.0.0.1", "10.0.0.2");
    alpha.send(&beta.local_addr(), b"lost").unwrap();
    beta.send(&alpha.local_addr(), b"there").unwrap();
    assert_eq!(alpha.receive().await.unwrap().data, "there");
    network.mend_all();
    assert!(received(&beta).await.is_empty());
    network.crash("10.0.0.2");
    assert_eq!(kind(beta.receive().await), ErrorKind::Closed);
    alpha.send(&beta.local_addr(), b"lost too").unwrap();
    network.restart("10.0.0.2");
    let again = network.bind_datagrams(&beta.local_addr()).unwrap();
    drop(beta);
    alpha.send(&again.local_addr(), b"new").unwrap();
    assert_eq!(again.receive().await.unwrap().data, "new");
}
