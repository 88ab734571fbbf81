//! Addresses and HTTPS records by DNS.

mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use dipole_dialers::Resolver as _;
use dipole_dns::Hickory;
use dipole_dns::hickory_resolver::proto::rr::rdata::svcb::{
    Alpn, Mandatory, SVCB, SvcParamKey, SvcParamValue,
};
use dipole_dns::hickory_resolver::proto::rr::rdata::{A, HTTPS};
use dipole_dns::hickory_resolver::proto::rr::{Name, RData, RecordType};
use dipole_http::{ServiceRecord, ServiceRecords as _};
use dipole_net::ErrorKind;

use support::hickory;

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

fn records(asked: &str, kind: RecordType) -> Vec<(u32, RData)> {
    let ech = Mandatory(vec![SvcParamKey::EchConfigList]);
    let found = match (asked, kind) {
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
    };
    found.into_iter().map(|data| (60, data)).collect()
}

#[tokio::test]
async fn a_name_has_its_addresses_and_a_name_without_any_is_unknown() {
    let names = hickory(records).await;
    let found = names.look_up("site.test.", 80).await.expect("an address");
    assert_eq!(found, ["10.0.0.1:80".parse().expect("an address")]);
    let error = names.look_up("nowhere.test.", 80).await.expect_err("no address");
    assert_eq!(*error.kind(), ErrorKind::UnknownHost, "{error}");
}

#[tokio::test]
async fn https_records_are_found_best_first_and_those_not_understood_left_out() {
    let names = hickory(records).await;
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
    let names = hickory(records).await;
    assert_eq!(names.service_records("nowhere.test.", 443).await, []);
    assert_eq!(names.service_records("loop.test.", 443).await, []);
}

#[test]
fn somebody_has_to_be_asked() {
    let error = Hickory::asking([]).expect_err("nobody is named");
    assert_eq!(*error.kind(), ErrorKind::InvalidInput, "{error}");
}
