//! HTTPS records (RFC 9460).

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{ServiceRecord, ServiceRecords};
use dipole_net::BoxFuture;
use hickory_resolver::proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::Hickory;

/// RFC 9460 section 3: aliases are followed, and not without end.
const MOST_ALIASES: usize = 4;

impl ServiceRecords for Hickory {
    fn service_records<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Vec<ServiceRecord>> {
        // RFC 9460 section 9.1.
        let name = match port {
            443 => host.to_owned(),
            port => format!("_{port}._https.{host}"),
        };
        Box::pin(self.records_of(name))
    }
}

impl Hickory {
    async fn records_of(&self, mut name: String) -> Vec<ServiceRecord> {
        for _ in 0..MOST_ALIASES {
            let Ok(answer) = self.resolver.lookup(&*name, RecordType::HTTPS).await else {
                return Vec::new();
            };
            let mut found: Vec<_> = answer
                .answers()
                .iter()
                .filter_map(|record| {
                    let RData::HTTPS(service) = &record.data else { return None };
                    Some((&service.0, Duration::from_secs(record.ttl.into())))
                })
                .collect();
            found.sort_by_key(|(service, _)| service.svc_priority);
            match found.first() {
                // RFC 9460 section 2.4.2: priority 0 is an alias; the root is no service.
                Some((alias, _)) if alias.svc_priority == 0 && !alias.target_name.is_root() => {
                    name = alias.target_name.to_string();
                }
                Some((alias, _)) if alias.svc_priority == 0 => return Vec::new(),
                _ => return found.into_iter().filter_map(usable).collect(),
            }
        }
        Vec::new()
    }
}

/// `None` where the record asks for something that is not known here (RFC 9460 section 8).
fn usable((service, time_to_live): (&SVCB, Duration)) -> Option<ServiceRecord> {
    let mut alpn = Vec::new();
    let mut port = None;
    for (_, value) in &service.svc_params {
        match value {
            SvcParamValue::Mandatory(keys) if !keys.0.iter().all(is_known) => return None,
            SvcParamValue::Alpn(names) => {
                alpn.extend(names.0.iter().map(|name| Bytes::copy_from_slice(name.as_bytes())));
            }
            SvcParamValue::Port(number) => port = Some(*number),
            _ => {}
        }
    }
    let mut record = ServiceRecord::new(alpn, time_to_live);
    // RFC 9460 section 2.5.2: the root stands for the owner itself.
    record.target = (!service.target_name.is_root())
        .then(|| service.target_name.to_string().trim_end_matches('.').to_owned());
    record.port = port;
    Some(record)
}

fn is_known(key: &SvcParamKey) -> bool {
    matches!(key, SvcParamKey::Alpn | SvcParamKey::NoDefaultAlpn | SvcParamKey::Port)
}
