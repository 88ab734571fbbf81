//! Certificates, keys and key logs in files.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use dipole_net::{ConnExt, ErrorKind, TlsFault};
use dipole_tls::{DevelopmentIdentity, Identity};

use crate::{DAY, Ends, authority, this_year};

/// A folder that goes with its scenario.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dipole-tls-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_that_does_not_do_is_named_with_what_is_wrong() {
    let folder = Folder::new("pem");
    let authority = authority();
    let issued = authority.issue(&["one.test"], this_year()).unwrap();
    let other = authority.issue(&["two.test"], this_year()).unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.0.join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (cert, key) = (file("cert", &issued.certificate), file("key", &issued.key));
    let (other, empty) = (file("other", &other.key), file("empty", ""));
    let cut = file("cut", &issued.certificate[..200]);
    assert!(Identity::from_pem_files(&cert, &key).is_ok());

    let missing = Identity::from_pem_files(folder.0.join("none"), &key).unwrap_err();
    assert_eq!(missing.kind(), &ErrorKind::NotFound);
    for (cert, key, words) in [
        (&cert, &other, "does not belong to the certificate"),
        (&empty, &key, "no certificate"),
        (&key, &key, "no certificate"),
        (&cut, &key, "it ends in the midst of a certificate"),
        (&cert, &empty, "no private key"),
    ] {
        let error = Identity::from_pem_files(cert, key).unwrap_err();
        assert_eq!(error.tls_fault(), Some(TlsFault::Configuration));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn the_certificate_of_this_machine_is_kept_until_it_expires() {
    let folder = Folder::new("development");
    let (directory, now) = (folder.0.join("data/dipole"), SystemTime::now());
    let made = DevelopmentIdentity::in_directory(&directory, now).unwrap();
    assert!(made.is_new);
    let certificate = fs::read(&made.certificate).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(directory.join("localhost.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let later = DevelopmentIdentity::in_directory(&directory, now + 300 * DAY).unwrap();
    assert!(!later.is_new);
    assert_eq!(fs::read(&later.certificate).unwrap(), certificate);
    let expired = DevelopmentIdentity::in_directory(&directory, now + 396 * DAY).unwrap();
    assert!(expired.is_new);
    assert_ne!(fs::read(&expired.certificate).unwrap(), certificate);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_written_where_and_only_where_they_are_asked_for() {
    let folder = Folder::new("key-log");
    let path = folder.0.join("keys");
    let ends = Ends::with(|_, client| client.key_log = Some(path.clone()));
    let (mut client, _server) = ends.connect().await;
    client.write_all(b"x").await.unwrap();
    let log = fs::read_to_string(path).unwrap();
    let line = log.lines().find(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).unwrap();
    let lengths: Vec<_> = line.split(' ').map(str::len).collect();
    assert_eq!(lengths[1], 64, "the client's random, in hexadecimal");
    assert_eq!(lengths.len(), 3);
}
