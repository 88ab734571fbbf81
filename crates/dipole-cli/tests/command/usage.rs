//! What is wrong usage, and what is a job that failed.

use crate::support::run;

#[test]
fn what_does_not_exist_is_wrong_usage() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["serve", "--nonsense"],
        &["serve", "a", "b"],
        &["serve", "--workers", "many"],
        &["serve", "--drain-timeout", "-1"],
        &["serve", "--tls", "signed-by-nobody"],
        &["serve", "--cert", "a.pem"],
        &["serve", "--key", "a.pem"],
        &["serve", "--http3"],
        &["get"],
        &["get", "--http3", "--http2", "https://x/"],
        &["get", "--http3", "--http3-only", "https://x/"],
        &["get", "--http3", "--unix-socket", "x", "https://x/"],
        &["doctor", "x"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.status, Some(2), "{arguments:?} {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{arguments:?} {ended:?}");
    }
}

#[test]
fn a_network_library_is_known_there_or_unknown() {
    for name in ["quinn", "s2n"] {
        let line = format!(
            "network library '{name}' carries streams, which HTTP/3 takes (--http3); \
             there are: auto, tokio, uring"
        );
        assert_eq!(run(&["serve", "--network", name]).failure(1), line);
    }
    let line = "there is no network library 'epol'; there are: auto, tokio, uring";
    assert_eq!(run(&["serve", "--network", "epol"]).failure(2), line);
}

#[test]
fn help_is_asked_for() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["get", "-h"], &["--version"]] {
        let ended = run(arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!ended.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn http3_needs_a_certificate() {
    let line = "--http3 needs a certificate: --tls self-signed, or --cert and --key";
    assert_eq!(run(&["serve", "--http3"]).failure(2), line);
}
