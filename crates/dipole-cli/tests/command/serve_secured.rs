//! `dipole serve` with a certificate, good and bad.

use std::time::{Duration, SystemTime};

use dipole::tls::{Authority, Issued};
use rustix::process::Signal;

use crate::support::{Folder, Serving, get, run};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An authority's certificate, and what it has issued for this name from then on, for a day.
fn issued(name: &str, from: SystemTime) -> (Authority, Issued) {
    let now = SystemTime::now();
    let authority = Authority::new("authority of the test", now - 30 * DAY..now + DAY);
    let authority = authority.expect("an authority");
    let issued = authority.issue(&[name], from..from + DAY).expect("a certificate");
    (authority, issued)
}

/// Serves with these files of the folder, and gives the address.
fn serving(folder: &Folder) -> (Serving, String) {
    let path = |name: &str| folder.path(name).to_str().expect("it is UTF-8").to_owned();
    let files = ["--cert", &path("cert.pem"), "--key", &path("key.pem")];
    let serving = Serving::start(folder.argument(), &files);
    let (_, url) = serving.lines()[0].split_once("https://").expect("HTTPS");
    let addr = url.split(' ').next().expect("an address").to_owned();
    (serving, addr)
}

fn folder(authority: &Authority, issued: &Issued) -> Folder {
    Folder::with(&[
        ("ca.pem", authority.certificate().as_bytes()),
        ("cert.pem", issued.certificate.as_bytes()),
        ("key.pem", issued.key.as_bytes()),
        ("page", b"served"),
    ])
}

#[test]
fn files_that_do_not_do_are_named_with_what_is_wrong_and_what_to_do() {
    let now = SystemTime::now();
    let (authority, good) = issued("localhost", now - DAY / 2);
    let (_, other) = issued("localhost", now - DAY / 2);
    let folder = folder(&authority, &good);
    folder.write("other.pem", other.key.as_bytes());
    folder.write("empty.pem", b"");
    folder.write("text.pem", b"a certificate, or so it says");
    folder.write("cut.pem", &good.certificate.as_bytes()[..200]);
    let in_pem = "; name the certificate's chain by --cert and its key by --key, in PEM";
    for (cert, key, file, wrong, hint) in [
        ("cert.pem", "other.pem", "other.pem", "key does not belong to the certificate", in_pem),
        ("empty.pem", "key.pem", "empty.pem", "there is no certificate in PEM in it", in_pem),
        ("text.pem", "key.pem", "text.pem", "there is no certificate in PEM in it", in_pem),
        ("cut.pem", "key.pem", "cut.pem", "it ends in the midst of a certificate", in_pem),
        ("key.pem", "cert.pem", "key.pem", "there is no certificate in PEM in it", in_pem),
        ("cert.pem", "empty.pem", "empty.pem", "there is no private key in PEM in it", in_pem),
        ("cert.pem", "cert.pem", "cert.pem", "there is no private key in PEM in it", in_pem),
        ("none.pem", "key.pem", "none.pem", "cannot read", "; see that the name is right"),
        ("cert.pem", "none.pem", "none.pem", "cannot read", "; see that the name is right"),
        (".", "key.pem", "", "cannot read", ""),
    ] {
        let path = |name: &str| folder.path(name).to_str().expect("it is UTF-8").to_owned();
        let ended = run(&["serve", folder.argument(), "--cert", &path(cert), "--key", &path(key)]);
        let line = ended.failure(1);
        assert!(line.contains(file) && line.contains(wrong) && line.ends_with(hint), "{line}");
    }
}

#[test]
fn a_certificate_that_clients_will_not_take_yet_or_any_more_is_served_with_a_warning() {
    let now = SystemTime::now();
    for (from, words, refusal) in [
        (now - 10 * DAY, "cert.pem was valid until ", "the certificate has expired"),
        (now + 10 * DAY, "cert.pem is not valid before ", "the certificate is not valid yet"),
    ] {
        let (authority, bad) = issued("localhost", from);
        let folder = folder(&authority, &bad);
        let (serving, addr) = serving(&folder);
        let line = serving.next_line();
        assert!(line.contains(words) && line.contains("clients refuse it: "), "{line}");
        let url = format!("https://{}/page", addr.replace("127.0.0.1", "localhost"));
        let ca = folder.path("ca.pem");
        let ca = ca.to_str().expect("it is UTF-8");
        let ended = run(&["get", "--cacert", ca, &url]);
        let line = ended.failure(1);
        assert!(line.contains(refusal) && line.contains("this machine's clock"), "{line}");
        let ended = run(&["get", "--insecure", &url]);
        assert_eq!((ended.status, ended.text()), (Some(0), "served"), "{ended:?}");
        serving.signal(Signal::TERM);
        assert_eq!(serving.status(), Some(0));
    }
}

#[test]
fn a_certificate_for_another_name_is_refused_by_clients_alone() {
    let (authority, other) = issued("other.test", SystemTime::now() - DAY / 2);
    let folder = folder(&authority, &other);
    let (serving, addr) = serving(&folder);
    let url = format!("https://{}/page", addr.replace("127.0.0.1", "localhost"));
    let ca = folder.path("ca.pem");
    let ended = run(&["get", "--cacert", ca.to_str().expect("it is UTF-8"), &url]);
    let line = ended.failure(1);
    assert!(line.contains("for another name") && line.contains("a name that it is for"), "{line}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.status(), Some(0));
}

#[test]
fn plain_http_on_the_port_of_tls_is_told_so() {
    let (authority, good) = issued("localhost", SystemTime::now() - DAY / 2);
    let folder = folder(&authority, &good);
    let (serving, addr) = serving(&folder);
    let answer = get(&addr, "/page", &[]);
    assert_eq!(answer.status, 400);
    assert!(String::from_utf8_lossy(&answer.body).contains("This port takes HTTPS"), "{answer:?}");
    let ended = run(&["get", &format!("http://{addr}/page"), "--http2"]);
    assert!(ended.failure(1).contains("is this its port?"), "{ended:?}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.status(), Some(0));
}
