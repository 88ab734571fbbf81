//! A server that gives one answer, whatever it is asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::LIMIT;

/// A server for one connection.
pub(crate) struct Canned {
    addr: String,
    request: Receiver<String>,
}

impl Canned {
    /// Answers with these bytes once a whole request has come, then closes.
    pub(crate) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::serving(move |mut socket| {
            let _ = socket.write_all(&answer);
        })
    }

    /// Hands the connection on once a whole request has come.
    pub(crate) fn serving(serve: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address").to_string();
        let (sender, request) = channel();
        thread::spawn(move || {
            let Ok((mut socket, _)) = listener.accept() else { return };
            socket.set_read_timeout(Some(LIMIT)).expect("a timeout");
            let _ = sender.send(read_request(&mut socket));
            serve(socket);
        });
        Self { addr, request }
    }

    /// The URL of a path of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// What it was asked: head and body, in lower case where names are.
    pub(crate) fn request(&self) -> String {
        self.request.recv_timeout(LIMIT).expect("a request")
    }
}

/// Reads a head, and a body by its `content-length` or up to its last chunk.
fn read_request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().expect("a length"));
            let is_chunked = head.contains("\r\ntransfer-encoding: chunked");
            if body.len() >= length && (!is_chunked || body.ends_with("0\r\n\r\n")) {
                return text;
            }
        }
        match socket.read(&mut piece) {
            Ok(0) | Err(_) => return text,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
    }
}
