//! HTTP/1.1 on a socket, as little of it as the tests need.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::LIMIT;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header; the first, where there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (its_name, value) = line.split_once(": ")?;
            its_name.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }
}

/// A request that is the connection's last.
pub(crate) fn request(method: &str, target: &str, headers: &[&str]) -> String {
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for header in headers {
        request += header;
        request += "\r\n";
    }
    request + "\r\n"
}

/// Asks on a connection of its own.
pub(crate) fn ask(addr: &str, method: &str, target: &str, headers: &[&str]) -> Answer {
    let socket = TcpStream::connect(addr).expect("somebody listens");
    socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
    ask_on(socket, &request(method, target, headers))
}

/// Asks for `target` on a connection of its own.
pub(crate) fn get(addr: &str, target: &str, headers: &[&str]) -> Answer {
    ask(addr, "GET", target, headers)
}

/// Sends a request and reads what comes until the end of the connection.
pub(crate) fn ask_on(mut socket: impl Read + Write, request: &str) -> Answer {
    socket.write_all(request.as_bytes()).expect("it takes the request");
    read_answer(socket, Vec::new())
}

/// Reads what comes until the end of the connection, after what has come `already`.
pub(crate) fn read_answer(mut socket: impl Read, already: Vec<u8>) -> Answer {
    let mut bytes = already;
    let read = socket.read_to_end(&mut bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    assert!(read.is_ok(), "{read:?} after {shown:?}");
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).expect("a head of text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.expect("a status"), head, body }
}
