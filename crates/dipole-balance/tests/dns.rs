//! Endpoints by DNS, asked of a name server of the test's own on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dipole_balance::discover::{Dns, Lookup as _};
use dipole_net::Addr;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

/// What the name server knows: by name and type, with a time to live in seconds.
fn records(name: &str, kind: RecordType) -> Vec<(u32, RData)> {
    let target = |host: &str| host.parse::<Name>().expect("a name");
    let address = |last| RData::A(A(Ipv4Addr::new(10, 0, 0, last)));
    match (name, kind) {
        ("users.test.", RecordType::A) => vec![(7, address(1)), (7, address(2))],
        ("one.test.", RecordType::A) => vec![(60, address(3))],
        ("two.test.", RecordType::A) => vec![(60, address(4))],
        ("_http._tcp.users.test.", RecordType::SRV) => vec![
            (20, RData::SRV(SRV::new(1, 0, 8001, target("one.test.")))),
            (20, RData::SRV(SRV::new(1, 9, 8002, target("two.test.")))),
            (20, RData::SRV(SRV::new(2, 0, 9999, target("users.test.")))),
        ],
        _ => Vec::new(),
    }
}

/// Answers until the test's runtime ends.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let addr = socket.local_addr().expect("its address");
    tokio::spawn(async move {
        let mut packet = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
            let asked = Message::from_vec(&packet[..length]).expect("a question");
            let query = asked.queries[0].clone();
            let found = records(&query.name().to_string().to_lowercase(), query.query_type());
            let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
            if found.is_empty() && query.name().to_string().starts_with("nowhere") {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            answer.queries.push(query.clone());
            answer.answers.extend(
                found
                    .into_iter()
                    .map(|(ttl, data)| Record::from_rdata(query.name().clone(), ttl, data)),
            );
            let bytes = answer.to_vec().expect("a message");
            socket.send_to(&bytes, peer).await.expect("it is sent");
        }
    });
    addr
}

async fn resolver() -> Arc<TokioResolver> {
    let server = name_server().await;
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let server = NameServerConfig::new(IpAddr::from(Ipv4Addr::LOCALHOST), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut options = ResolverOpts::default();
    options.use_hosts_file = hickory_resolver::config::ResolveHosts::Never;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    Arc::new(builder.with_options(options).build().expect("a resolver"))
}

fn addrs(texts: &[&str]) -> Vec<Addr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

#[tokio::test]
async fn each_address_of_a_name_is_an_endpoint_as_long_as_its_record_says() {
    let dns = Dns::addresses(resolver().await, "users.test.", 80);
    let mut found = dns.look_up().await.expect("an answer");
    found.endpoints.sort_by_key(Addr::to_string);
    assert_eq!(found.endpoints, addrs(&["10.0.0.1:80", "10.0.0.2:80"]));
    assert!(found.valid_for <= Duration::from_secs(7), "{found:?}");
    assert!(found.valid_for > Duration::from_secs(2), "{found:?}");
}

#[tokio::test]
async fn a_service_has_ports_and_its_best_priority_counts() {
    let dns = Dns::services(resolver().await, "_http._tcp.users.test.");
    let mut found = dns.look_up().await.expect("an answer");
    found.endpoints.sort_by_key(Addr::to_string);
    assert_eq!(found.endpoints, addrs(&["10.0.0.3:8001", "10.0.0.4:8002"]));
    assert!(found.valid_for <= Duration::from_secs(20), "{found:?}");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_an_error() {
    let resolver = resolver().await;
    Dns::addresses(Arc::clone(&resolver), "nowhere.test.", 80).look_up().await.expect_err("none");
    Dns::services(resolver, "nowhere.test.").look_up().await.expect_err("none");
}
