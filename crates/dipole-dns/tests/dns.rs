//! Names by a name server of the test's own on loopback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use dipole_dialers::Resolver as _;
use dipole_dns::Hickory;
use dipole_dns::hickory_resolver::TokioResolver;
use dipole_dns::hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use dipole_dns::hickory_resolver::net::runtime::TokioRuntimeProvider;
use dipole_dns::hickory_resolver::proto::op::{Message, ResponseCode};
use dipole_dns::hickory_resolver::proto::rr::rdata::svcb::{
    Alpn, Mandatory, SVCB, SvcParamKey, SvcParamValue,
};
use dipole_dns::hickory_resolver::proto::rr::rdata::{A, HTTPS};
use dipole_dns::hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use dipole_http::{ServiceRecord, ServiceRecords as _};
use dipole_net::ErrorKind;
use tokio::net::UdpSocket;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn https(priority: u16, target: &str, params: Vec<(SvcParamKey, SvcParamValue)>) -> RData {
    RData::HTTPS(HTTPS(SVCB::new(priority, name(target), params)))
}

fn alpn(names: &[&str]) -> (SvcParamKey, SvcParamValue) {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(names)))
}

fn records(asked: &str, kind: RecordType) -> Vec<RData> {
    let ech = Mandatory(vec![SvcParamKey::EchConfigList]);
    match (asked, kind) {
        ("site.test.", RecordType::A) => vec![RData::A(A(Ipv4Addr::new(10, 0, 0, 1)))],
        ("site.test.", RecordType::HTTPS) => vec![
            https(3, "other.test.", vec![alpn(&["h2"])]),
            https(
                1,
                ".",
                vec![alpn(&["h3", "h2"]), (SvcParamKey::Port, SvcParamValue::Port(8443))],
            ),
            https(
                2,
                ".",
                vec![(SvcParamKey::Mandatory, SvcParamValue::Mandatory(ech)), alpn(&["h3"])],
            ),
        ],
        ("_8443._https.site.test.", RecordType::HTTPS) => vec![https(0, "site.test.", Vec::new())],
        ("loop.test.", RecordType::HTTPS) => vec![https(0, "loop.test.", Vec::new())],
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
            if found.is_empty() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            answer.queries.push(query.clone());
            let record = |data| Record::from_rdata(query.name().clone(), 60, data);
            answer.answers.extend(found.into_iter().map(record));
            let bytes = answer.to_vec().expect("a message");
            socket.send_to(&bytes, peer).await.expect("it is sent");
        }
    });
    addr
}

async fn hickory() -> Hickory {
    let server = name_server().await;
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let server = NameServerConfig::new(IpAddr::from(Ipv4Addr::LOCALHOST), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut options = ResolverOpts::default();
    options.use_hosts_file = ResolveHosts::Never;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    Hickory::new(builder.with_options(options).build().expect("a resolver"))
}

#[tokio::test]
async fn a_name_has_its_addresses_and_a_name_without_any_is_unknown() {
    let names = hickory().await;
    let found = names.look_up("site.test.", 80).await.expect("an address");
    assert_eq!(found, ["10.0.0.1:80".parse().expect("an address")]);
    let error = names.look_up("nowhere.test.", 80).await.expect_err("no address");
    assert_eq!(*error.kind(), ErrorKind::UnknownHost, "{error}");
}

#[tokio::test]
async fn https_records_are_found_best_first_and_those_not_understood_left_out() {
    let names = hickory().await;
    let minute = Duration::from_secs(60);
    let mut here = ServiceRecord::new(["h3".into(), "h2".into()], minute);
    here.port = Some(8443);
    let mut other = ServiceRecord::new(["h2".into()], minute);
    other.target = Some("other.test".to_owned());
    let expected = [here, other];
    assert_eq!(names.service_records("site.test.", 443).await, expected);
    // Another port has a name of its own, here an alias.
    assert_eq!(names.service_records("site.test.", 8443).await, expected);
}

#[tokio::test]
async fn neither_a_name_without_records_nor_a_ring_of_aliases_has_any() {
    let names = hickory().await;
    assert_eq!(names.service_records("nowhere.test.", 443).await, []);
    assert_eq!(names.service_records("loop.test.", 443).await, []);
}
