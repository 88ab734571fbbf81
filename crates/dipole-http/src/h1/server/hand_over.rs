//! Requests that another protocol serves: HTTP/2 without TLS, and those that ask for an upgrade.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};

use super::connection::Connection;
use crate::h1::codec::head::HeadShape;
use crate::h1::codec::request::parse_request;

/// Who goes on with a connection, from the first byte of the request that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Successor {
    /// HTTP/2: its client began with it.
    Http2,
    /// hyper's HTTP/1.1, which can give the connection to the handler.
    Upgrade,
}

/// What of HTTP/2's connection preface (RFC 9113 section 3.4) looks like a head.
const PREFACE_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

impl Connection {
    /// Who is to serve the request whose head is held as `shape`; `None` is this end of HTTP/1.1,
    /// as for nearly all.
    #[inline]
    pub(super) fn successor(&self, shape: &HeadShape) -> Option<Successor> {
        match self.conn.buffered() {
            [b'P' | b'C' | b'\r', ..] => self.seek_successor(shape),
            _ if shape.has_upgrade => self.seek_successor(shape),
            _ => None,
        }
    }

    #[cold]
    fn seek_successor(&self, shape: &HeadShape) -> Option<Successor> {
        let head = self.conn.buffered().get(..shape.len)?;
        let config = &self.worker.config;
        if head == PREFACE_HEAD {
            // RFC 9113 3.3: over TLS, ALPN says that it is HTTP/2.
            let is_wanted = config.http2.prior_knowledge && self.conn.tls().is_none();
            return (is_wanted && self.requests == 0).then_some(Successor::Http2);
        }
        let is_connect = head.trim_ascii_start().starts_with(b"CONNECT ");
        if !is_connect && !shape.has_upgrade {
            return None;
        }
        // What is wrong with it is found again, and said, by this end.
        let mut request = Request::new(());
        let head = Bytes::copy_from_slice(head);
        let facts = parse_request(&head, shape, &config.head_limits(), &mut request).ok()?;
        let is_upgrade = facts.upgrade && asks_for_more(request.headers());
        (is_upgrade || request.method() == Method::CONNECT).then_some(Successor::Upgrade)
    }
}

/// True unless all that is asked for is what no handler can give.
///
/// RFC 9113 3.1: `h2c` is no longer upgraded to. RFC 2817: `TLS/1.0` was for the server itself.
/// RFC 9110 7.8: a server may ignore the field, and then answers as without it.
fn asks_for_more(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::UPGRADE).iter();
    values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).any(|name| {
        let name = name.trim_ascii().to_ascii_lowercase();
        !name.is_empty() && name != b"h2c" && !name.starts_with(b"tls/")
    })
}
