//! HTTPS records: what DNS says of HTTP/3 before anybody was asked.

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, Client, ServiceRecord, ServiceRecords};
use dipole_net::{BoxFuture, ListenOptions, Transport};
use dipole_sim::{Config, Network};
use http::Request;

use crate::fake_tls::FakeTls;
use crate::far::{Far, GET, good, text};
use crate::far_http3::{Far3, Near3};
use crate::wire::answer;

/// What DNS says of `https://far/`, after so long.
struct Dns(ServiceRecord, Duration);

impl ServiceRecords for Dns {
    fn service_records<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Vec<ServiceRecord>> {
        assert_eq!((host, port), ("far", 443));
        Box::pin(async {
            tokio::time::sleep(self.1).await;
            vec![self.0.clone()]
        })
    }
}

#[tokio::test(start_paused = true)]
async fn dns_may_say_that_http3_is_there_before_anybody_was_asked() {
    for (alpn, delay, is_http3) in [
        ("h3", Duration::ZERO, true),
        ("h2", Duration::ZERO, false),
        // It is not waited for without end.
        ("h3", Duration::from_secs(60), false),
    ] {
        let network = Network::new(Config::default());
        let streams = network.streams().protocols(["h3"]);
        let addr = "alt:444".parse().expect("an address");
        let listeners = streams.listen(&addr, &ListenOptions::default()).expect("a free port");
        let mut far3 = Far3 { listener: listeners.into_iter().next().expect("one for a shard") };
        let mut far = Far::listening(&network, "far:443");
        let hour = Duration::from_secs(3600);
        let mut record = ServiceRecord::new([Bytes::from_static(alpn.as_bytes())], hour);
        (record.target, record.port) = (Some("alt".into()), Some(444));
        let builder = Client::builder().with_dialer(network.clone()).with_tls(FakeTls);
        let builder = builder.with_stream_dialer(streams).with_service_records(Dns(record, delay));
        let near = Near3 { client: builder.build(), url: "https://far/".into() };
        let asked = near.ask(Request::get(&near.url).body(Body::empty()).expect("a request"));
        if is_http3 {
            let peer = far3.accept().await;
            peer.serve(&answer("new")).await;
            assert_eq!(text(good(asked).await).await, "new");
            continue;
        }
        let mut conn = far.accept().await;
        conn.expect("hello far h2,http/1.1\n").await;
        conn.send("agreed http/1.1\n").await;
        conn.expect(GET).await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold").await;
        assert_eq!(text(good(asked).await).await, "old");
    }
}
