//! What the compared servers share: the command line, the listening socket and the answers.

pub mod canned;
#[cfg(feature = "dipole")]
pub mod dipole_app;
#[cfg(feature = "dipole")]
pub mod dipole_conn;
pub mod epoll_loop;
pub mod handled;
pub mod handler;
#[cfg(any(feature = "ntex-tokio", feature = "ntex-uring"))]
pub mod ntex_app;
pub mod routes;
#[cfg(feature = "uring")]
pub mod uring_loop;
pub mod work;

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};

/// The answer to `GET /`.
pub const HELLO: &str = "Hello, World!";

/// The media type of [`HELLO`], the one that axum and actix-web choose for a string.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The media type of the two binary answers.
pub const BINARY: &str = "application/octet-stream";

static MEBIBYTE: [u8; 1 << 20] = [b'x'; 1 << 20];

/// The answer to `GET /1m`: always the same memory.
pub fn mebibyte_slice() -> &'static [u8] {
    &MEBIBYTE
}

/// [`mebibyte_slice`] as `Bytes`, without a copy.
pub fn mebibyte() -> Bytes {
    Bytes::from_static(&MEBIBYTE)
}

/// A certificate that is its own issuer, and its key (ECDSA P-256), as PEM.
#[cfg(feature = "tls")]
pub fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.expect("this name is one");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// The address after `--listen`, the only option; `127.0.0.1:0` without it.
pub fn listen_address() -> SocketAddr {
    let mut arguments = std::env::args().skip(1);
    let address = match (arguments.next().as_deref(), arguments.next()) {
        (None, None) => "127.0.0.1:0".to_owned(),
        (Some("--listen"), Some(address)) => address,
        _ => usage(),
    };
    address.parse().unwrap_or_else(|_| usage())
}

fn usage() -> ! {
    eprintln!("usage: SERVER [--listen ADDRESS:PORT]");
    std::process::exit(2)
}

/// A non-blocking listening socket. Every server gets the same one: a long backlog (1024 clients
/// arrive at once), and TCP_NODELAY, which accepted sockets inherit on Linux.
pub fn listen() -> TcpListener {
    let address = listen_address();
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        Ok::<_, std::io::Error>(TcpListener::from(socket))
    };
    open().unwrap_or_else(|error| {
        eprintln!("cannot listen on {address}: {error}");
        std::process::exit(1)
    })
}

/// Prints the line that the scripts wait for.
pub fn announce(address: SocketAddr, name: &str) {
    println!("listening on http://{address} ({name})");
}
