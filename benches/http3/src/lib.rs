//! What the servers and the client share.

pub mod dipole_app;

use std::net::SocketAddr;

use bytes::Bytes;

static MEBIBYTE: [u8; 1 << 20] = [b'x'; 1 << 20];

/// The answer to a path, and its media type.
pub fn answer(path: &str) -> Option<(&'static str, Bytes)> {
    Some(match path {
        "/" => ("text/plain; charset=utf-8", Bytes::from_static(b"Hello, World!")),
        "/1m" => ("application/octet-stream", Bytes::from_static(&MEBIBYTE)),
        _ => return None,
    })
}

/// A certificate that is its own issuer, and its key, as PEM.
pub fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.expect("this name is one");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Prints the line that the script waits for.
pub fn announce(address: SocketAddr, name: &str) {
    println!("listening on https://{address} ({name})");
}
