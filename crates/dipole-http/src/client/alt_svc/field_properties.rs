//! What holds of the field `Alt-Svc` for any bytes whatever, on mutated samples; libFuzzer runs it in
//! `fuzz/`, too.

use super::field::{AltSvc, Service, read};

#[cfg(test)]
const SAMPLES: &[&str] = &[
    "clear",
    r#"h3=":443""#,
    r#"h3="alt.example.org:8443"; ma=60; persist=1, h2=":443"; ma="5""#,
    r#"h3="[2001:db8::1]:443"; v="46,43"; ma=2592000,h3-29=":443""#,
    r#"w%3Dx%3Ay#z="a\".b:1";ma=99999999999999999999"#,
];

/// What is read is sound, and writing it gives it back.
pub(crate) fn alt_svc(input: &[u8]) {
    let Some(AltSvc::Services(services)) = read(input) else { return };
    assert!((1..=16).contains(&services.len()), "{}", input.escape_ascii());
    for service in &services {
        assert!(service.port > 0 && !service.protocol.is_empty(), "{service:?}");
        assert!(!service.host.contains(['@', '/', ' ', '"', '\\']), "{service:?}");
    }
    let text: Vec<_> = services.iter().map(written).collect();
    assert_eq!(read(text.join(",").as_bytes()), Some(AltSvc::Services(services)));
}

fn written(service: &Service) -> String {
    let Service { protocol, host, port, max_age, persists } = service;
    let (seconds, persist) = (max_age.as_secs(), u8::from(*persists));
    format!("{protocol}=\"{host}:{port}\";ma={seconds};persist={persist}")
}

#[test]
fn twenty_thousand_mutated_fields_are_read_soundly() {
    let mut random = Random(0x0a17_57c0);
    for round in 0..20_000 {
        let mut input = SAMPLES[round % SAMPLES.len()].as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(input.len().max(1)).min(input.len());
            match random.below(4) {
                0 => input.insert(at, b"\",;=\\ :[]%0hc\x00\xff"[random.below(15)]),
                1 if at < input.len() => drop(input.remove(at)),
                2 if at < input.len() => input[at] = random.below(256) as u8,
                _ => {
                    let other = SAMPLES[random.below(SAMPLES.len())].as_bytes();
                    let from = random.below(other.len());
                    input.splice(at..at, other[from..].iter().copied());
                }
            }
        }
        alt_svc(&input);
    }
}

/// The same numbers in each run.
#[cfg(test)]
struct Random(u64);

#[cfg(test)]
impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
