use std::sync::{Arc, Mutex};

use dipole_layers::{LayerExt, Metrics, Origin};
use dipole_net::{ConnExt, DialerExt, ErrorKind};
use dipole_sim::Network;

use crate::{accept, addr, kind, listen, secs};

#[tokio::test(start_paused = true)]
async fn each_connection_and_the_totals_are_counted() {
    let records = Arc::new(Mutex::new(Vec::new()));
    let metrics = Metrics::new().on_end({
        let records = records.clone();
        move |record| records.lock().unwrap().push(record.clone())
    });
    let network = Network::default();
    let mut listener = listen(&metrics.clone().over(network.clone()), "sim:alpha:80");
    for length in [1000, 2000] {
        let mut dialled = network.dial_timeout(&addr("sim:alpha:80"), None).await.unwrap();
        let mut accepted = accept(&mut listener).await.unwrap();
        assert_eq!(metrics.totals().open, 1);
        dialled.write_all(&vec![1; length]).await.unwrap();
        accepted.skip_all(length).await.unwrap();
        accepted.write_all(b"thanks").await.unwrap();
        tokio::time::sleep(secs(3)).await;
        dialled.reset();
        assert_eq!(kind(accepted.peek(1).await), ErrorKind::Reset);
    }
    let totals = metrics.totals();
    assert_eq!((totals.opened, totals.open), (2, 0));
    assert_eq!((totals.received, totals.sent, totals.failed), (3000, 12, 2));
    let records = records.lock().unwrap();
    assert_eq!(records.len(), 2);
    let last = &records[1];
    assert_eq!((last.origin, &last.local), (Origin::Accepted, &addr("sim:alpha:80")));
    assert_eq!((last.received, last.sent, last.failed, last.lived), (2000, 6, 1, secs(3)));
}
