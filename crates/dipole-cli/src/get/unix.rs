//! Which Unix socket a command line means.

use std::path::Path;

use dipole::Via;
use dipole::net::Addr;

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
    let printed = url.split_once("+unix:///").map(|(scheme, path)| {
        let path = path.replace('/', "%2F").replace('?', "%3F").replace('#', "%23");
        format!("{scheme}+unix://%2F{path}")
    });
    match Via::split(printed.as_deref().unwrap_or(url)) {
        None => Ok(None),
        Some(Ok((Via(addr), rest))) => Ok(Some((addr, rest))),
        Some(Err(error)) => Err(Failure::Usage(error.to_string())),
    }
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
