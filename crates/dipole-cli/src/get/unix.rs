//! Which Unix socket a command line means.

use std::path::{Path, PathBuf};

use dipole::net::Addr;
use percent_encoding::percent_decode_str;

use crate::Failure;

/// The socket of this path; an abstract one after `@`.
pub(super) fn addr(path: &Path) -> Result<Addr, Failure> {
    match path.to_str() {
        Some(text) if text.starts_with('@') => format!("unix:{text}")
            .parse()
            .map_err(|_| Failure::usage("an abstract socket has a name after its @")),
        _ => Ok(Addr::unix(path.to_owned())),
    }
}

/// The socket that a URL such as `http+unix://%2Frun%2Fx.sock/path` names, and what to ask it for;
/// `None` for any other URL. Without a name before the path, as `dipole serve` prints it
/// (`http+unix:///run/x.sock`), all of the path is the socket's.
pub(super) fn split(url: &str) -> Result<Option<(Addr, String)>, Failure> {
    let Some((scheme, rest)) = url.split_once("+unix://") else { return Ok(None) };
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(&*scheme, "http" | "https") {
        return Ok(None);
    }
    let (name, target) = match rest.find(['/', '?', '#']) {
        Some(end) if !rest.starts_with('/') => rest.split_at(end),
        _ => (rest, ""),
    };
    let bytes: Vec<u8> = percent_decode_str(name).collect();
    if bytes.is_empty() || bytes.contains(&0) {
        let text =
            format!("{url:?} names no socket: write {scheme}+unix://%2FPATH%2FOF%2FSOCKET/PATH");
        return Err(Failure::Usage(text));
    }
    Ok(Some((addr(&path(bytes))?, format!("{scheme}://localhost{target}"))))
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_socket_is_the_socket_and_the_rest() {
        for (url, socket, rest) in [
            ("http+unix://%2Frun%2Fx.sock/a?b", "unix:/run/x.sock", "http://localhost/a?b"),
            ("https+unix://%2Frun%2Fx%20y?q", "unix:/run/x y", "https://localhost?q"),
            ("HTTP+unix://@name/a", "unix:@name", "http://localhost/a"),
            ("http+unix:///run/x.sock", "unix:/run/x.sock", "http://localhost"),
        ] {
            let (addr, asked) = split(url).expect("a URL").expect("of a socket");
            assert_eq!((&*addr.to_string(), &*asked), (socket, rest), "{url}");
        }
        assert_eq!(split("http://x/a+unix://b"), Ok(None));
        for wrong in ["http+unix://", "http+unix://?x", "http+unix://%00/", "http+unix://@/"] {
            assert!(matches!(split(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
