//! `dipole conformance`.

use serde_json::Value;

use crate::support::{Folder, run};

#[test]
fn a_report_is_a_table() {
    let ended = run(&["conformance", "--network", "sim", "--only", "b1"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let lines: Vec<_> = ended.text().lines().collect();
    assert!(lines[0].starts_with("B1   passed "), "{ended:?}");
    assert_eq!(lines[1..], ["1 passed, 0 failed, 0 not applicable"]);
}

#[test]
fn the_simulated_network_is_judged_as_both_kinds() {
    let ended = run(&["conformance", "--network", "sim", "--only", "D1, s1 ,B1,S2"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let ids: Vec<_> = ended.text().lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(ids, ["B1", "S1", "S2", "D1", "4"], "{ended:?}");
    let ended = run(&["conformance", "--network", "sim-streams", "--only", "S1,L2"]);
    assert!(ended.text().ends_with("2 passed, 0 failed, 0 not applicable\n"), "{ended:?}");
    let ended = run(&["conformance", "--network", "sim", "--only", "S99"]);
    assert!(ended.failure(2).starts_with("there is no case \"S99\""), "{ended:?}");
}

#[test]
fn machines_get_a_report_in_json() {
    for network in ["tokio", "sim"] {
        let ended = run(&["conformance", "--network", network, "--only", "D", "--json"]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let report: Value = serde_json::from_slice(&ended.stdout).expect("an object");
        assert_eq!(report["network"], network);
        let cases = report["cases"].as_array().expect("a list");
        assert!(cases.len() > 3, "{report}");
        for case in cases {
            let fields: Vec<_> = case.as_object().expect("an object").keys().collect();
            assert_eq!(fields, ["detail", "id", "sentence", "status"]);
            let status = case["status"].as_str();
            assert!(matches!(status, Some("passed" | "not_applicable")), "{case}");
        }
    }
}

#[test]
fn a_report_is_written_as_a_page_beside_the_table() {
    let folder = Folder::new();
    let path = folder.path("report.html");
    let arguments = ["conformance", "--network", "sim", "--only", "B1", "--html"];
    let ended = run(&[&arguments[..], &[path.to_str().expect("a path in UTF-8")]].concat());
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.text().starts_with("B1   passed "), "{ended:?}");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    assert!(page.starts_with("<!doctype html>") && page.contains("id=\"B1\""), "{page}");

    let nowhere = folder.path("missing/report.html");
    let ended = run(&[&arguments[..], &[nowhere.to_str().expect("a path in UTF-8")]].concat());
    let line = ended.failure(1);
    assert!(line.starts_with("cannot write ") && line.contains("missing"), "{line}");
}

#[test]
fn a_case_that_does_not_exist_is_wrong_usage() {
    let ended = run(&["conformance", "--network", "sim", "--only", "B99"]);
    assert!(ended.failure(2).starts_with("there is no case \"B99\""), "{ended:?}");
    let ended = run(&["conformance", "--network", "epol"]);
    let line = "there is no network library 'epol'; there are: auto, tokio, uring, quinn, s2n, sim, sim-streams";
    assert_eq!(ended.failure(2), line);
}
