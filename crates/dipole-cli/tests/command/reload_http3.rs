//! `dipole serve --http3`, whose certificate is read again.

use std::time::{Duration, SystemTime};

use dipole::tls::{Authority, Issued};
use rustix::process::Signal;

use crate::support::{Folder, Serving, run};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate for `localhost`, and that of its authority.
fn certified(name: &str) -> (Issued, String) {
    let now = SystemTime::now();
    let authority = Authority::new(name, now - DAY..now + DAY).expect("an authority");
    let issued = authority.issue(&["localhost"], now - DAY..now + DAY).expect("a certificate");
    (issued, authority.certificate().to_owned())
}

fn path(folder: &Folder, name: &str) -> String {
    folder.path(name).to_str().expect("it is UTF-8").to_owned()
}

#[test]
fn a_certificate_that_is_read_again_is_shown_over_quic_too() {
    for library in ["quinn", "s2n"] {
        let site = Folder::with(&[("hello", b"hello")]);
        let ((first, first_ca), (second, second_ca)) = (certified("first"), certified("second"));
        let folder = Folder::with(&[
            ("cert.pem", first.certificate.as_bytes()),
            ("key.pem", first.key.as_bytes()),
            ("first.pem", first_ca.as_bytes()),
            ("second.pem", second_ca.as_bytes()),
        ]);
        let (cert, key) = (path(&folder, "cert.pem"), path(&folder, "key.pem"));
        let common = ["serve", site.argument(), "--workers", "1", "--listen", "127.0.0.1:0"];
        let secured = ["--cert", &cert, "--key", &key, "--http3", "--network", library];
        let serving = Serving::listening(&[&common[..], &secured].concat(), 2);
        let (_, port) = serving.lines()[0].rsplit_once(':').expect("a port");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let url = format!("https://localhost:{port}/hello");
        let get = |ca: &str| run(&["get", "--http3-only", "--cacert", &path(&folder, ca), &url]);
        assert_eq!(get("first.pem").text(), "hello", "{library}");
        get("second.pem").failure(1);

        folder.write("cert.pem", second.certificate.as_bytes());
        folder.write("key.pem", second.key.as_bytes());
        serving.signal(Signal::HUP);
        while !serving.next_line().contains("the certificate was read again") {}
        assert_eq!(get("second.pem").text(), "hello", "{library}");
        get("first.pem").failure(1);
        serving.signal(Signal::TERM);
        assert_eq!(serving.status(), Some(0), "{library}");
    }
}
