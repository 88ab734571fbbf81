//! What was negotiated, and both heads: `* `, `> ` and `< `, as curl writes them.

use std::fmt::Write as _;

use dipole::ConnectionReport;
use dipole::net::TlsInfo;
use http::{HeaderMap, Method, Response, Uri, Version};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// What is told of a request that has a response: a line each.
pub(super) struct Told {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl Told {
    /// All lines, about this request and its response.
    pub(super) fn lines<B>(&self, response: &Response<B>) -> String {
        let mut text = String::new();
        if let Some(report) = response.extensions().get::<ConnectionReport>() {
            let ConnectionReport { peer, local, network, .. } = report;
            let what = format!("connected to {peer} from {local}, by {network}");
            line(&mut text, "* ", &what);
            if let Some(tls) = &report.tls {
                handshake(&mut text, tls);
            }
        }
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let version = response.version();
        line(&mut text, "> ", &format!("{} {target} {}", self.method, name(version)));
        if !self.headers.contains_key("host") {
            let host = self.uri.authority().map_or("", |authority| authority.as_str());
            line(&mut text, "> ", &format!("host: {host}"));
        }
        fields(&mut text, "> ", &self.headers);
        line(&mut text, "< ", &format!("{} {}", name(version), response.status()));
        fields(&mut text, "< ", response.headers());
        text
    }
}

fn handshake(text: &mut String, tls: &TlsInfo) {
    let alpn = tls.alpn.as_deref().map_or("nothing".into(), String::from_utf8_lossy);
    let resumed = if tls.resumed { "resumed" } else { "a new session" };
    // Not every library tells the cipher.
    let cipher = match tls.cipher_suite.as_str() {
        "" => String::new(),
        suite => format!("{suite}, "),
    };
    let what = format!("{}, {cipher}ALPN chose {alpn}, {resumed}", tls.version);
    line(text, "* ", &what);
    let Some(der) = tls.peer_certificates.first() else { return };
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => {
            let validity = certificate.validity();
            line(text, "* ", &format!("certificate of {}", certificate.subject()));
            line(text, "* ", &format!("  issued by {}", certificate.issuer()));
            let (from, to) = (validity.not_before, validity.not_after);
            line(text, "* ", &format!("  valid from {from} to {to}"));
        }
        Err(error) => line(text, "* ", &format!("certificate that cannot be read: {error}")),
    }
}

fn fields(text: &mut String, mark: &str, headers: &HeaderMap) {
    for (name, value) in headers {
        line(text, mark, &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    let _ = writeln!(text, "{}", mark.trim_end());
}

/// One line, whatever a peer has written into it.
fn line(text: &mut String, mark: &str, what: &str) {
    text.push_str(mark);
    for c in what.chars() {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text.push('\n');
}

/// As curl writes it.
pub(super) fn name(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}
