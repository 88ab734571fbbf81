//! `dipole doctor`.

use serde_json::Value;

use crate::support::run;

#[test]
fn it_says_what_is_there() {
    let ended = run(&["doctor"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for word in [
        "dipole",
        env!("CARGO_PKG_VERSION"),
        "system",
        "cores",
        "tokio",
        "descriptors",
        "UDP offload",
    ] {
        assert!(ended.text().contains(word), "{word}: {ended:?}");
    }
}

#[test]
fn machines_are_told_in_json() {
    let ended = run(&["doctor", "--json"]);
    let found: Value = serde_json::from_slice(&ended.stdout).expect("an object");
    let networks = found["networks"].as_array().expect("a list");
    assert!(networks.contains(&"tokio".into()), "{found}");
    assert_eq!(found["streams"], serde_json::json!(["quinn", "s2n"]), "{found}");
    assert_eq!(found["simulated"], serde_json::json!(["sim", "sim-streams"]), "{found}");
    assert!(found["cores"].is_number() && found["system"].is_string(), "{found}");
    assert!(found["descriptors"].is_object(), "{found}");
    for direction in ["send", "receive"] {
        assert!(found["udp_offload"][direction].as_u64().is_some_and(|n| n >= 1), "{found}");
    }
}
