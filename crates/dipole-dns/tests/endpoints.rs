//! Endpoints by DNS.

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use dipole_balance::discover::Lookup as _;
use dipole_dns::Endpoints;
use dipole_dns::hickory_resolver::proto::rr::rdata::{A, SRV};
use dipole_dns::hickory_resolver::proto::rr::{Name, RData, RecordType};
use dipole_net::Addr;

use support::hickory;

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

fn addrs(texts: &[&str]) -> Vec<Addr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

#[tokio::test]
async fn each_address_of_a_name_is_an_endpoint_as_long_as_its_record_says() {
    let dns = Endpoints::addresses(hickory(records).await, "users.test.", 80);
    let mut found = dns.look_up().await.expect("an answer");
    found.endpoints.sort_by_key(Addr::to_string);
    assert_eq!(found.endpoints, addrs(&["10.0.0.1:80", "10.0.0.2:80"]));
    assert!(found.valid_for <= Duration::from_secs(7), "{found:?}");
    assert!(found.valid_for > Duration::from_secs(2), "{found:?}");
}

#[tokio::test]
async fn a_service_has_ports_and_its_best_priority_counts() {
    let dns = Endpoints::services(hickory(records).await, "_http._tcp.users.test.");
    let mut found = dns.look_up().await.expect("an answer");
    found.endpoints.sort_by_key(Addr::to_string);
    assert_eq!(found.endpoints, addrs(&["10.0.0.3:8001", "10.0.0.4:8002"]));
    assert!(found.valid_for <= Duration::from_secs(20), "{found:?}");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_an_error() {
    let names = hickory(records).await;
    Endpoints::addresses(names.clone(), "nowhere.test.", 80).look_up().await.expect_err("none");
    Endpoints::services(names, "nowhere.test.").look_up().await.expect_err("none");
}
