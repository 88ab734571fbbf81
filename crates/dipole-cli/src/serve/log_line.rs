//! A request as a line of the log, for people or for machines.

use std::fmt;
use std::io::Write as _;

use dipole::ConnectionInfo;
use dipole::net::Addr;
use http::Version;
use serde_json::json;

use super::log::{Ending, Record, Refused};
use super::time::Utc;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `TIME PEER "METHOD TARGET VERSION" STATUS BYTES MILLISECONDS`, and
    /// `TIME PEER - STATUS REASON` for what the server refused itself.
    Text,
    /// `{"event": "request", ...}` and `{"event": "refused", ...}`.
    Json,
}

impl Format {
    /// Appends the line of a request.
    pub(super) fn write(self, record: &Record, lines: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = match self {
            Self::Text => writeln!(lines, "{}", Line(record)),
            Self::Json => writeln!(lines, "{}", object(record)),
        };
    }

    /// Appends the line of a request that the server refused.
    pub(super) fn write_refused(self, refused: &Refused, lines: &mut Vec<u8>) {
        let Refused { at, answer } = refused;
        let (time, peer) = (Time((*at).into()), peer(answer.connection.as_ref()));
        let (status, reason) = (answer.status.as_u16(), answer.reason);
        let _ = match self {
            Self::Text => writeln!(lines, "{time} {peer} - {status} {reason}"),
            Self::Json => {
                let time = time.to_string();
                let object = json!({
                    "event": "refused", "time": time, "peer": peer, "status": status,
                    "reason": reason,
                });
                writeln!(lines, "{object}")
            }
        };
    }

    /// Appends a line that says how many were left out.
    pub(super) fn write_dropped(self, dropped: u64, lines: &mut Vec<u8>) {
        let _ = match self {
            Self::Text => writeln!(lines, "dipole: the log left out {dropped} requests"),
            Self::Json => writeln!(lines, "{}", json!({"event": "dropped", "requests": dropped})),
        };
    }
}

struct Line<'a>(&'a Record);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.0;
        write!(f, "{} {} ", Time(record.began.into()), peer(record.peer.as_ref()))?;
        write!(f, "\"{} {} ", record.method, Escaped(&record.target.to_string()))?;
        write!(f, "{}\" ", version(record.version))?;
        match record.status {
            Some(status) => write!(f, "{} {}", status.as_u16(), record.bytes)?,
            None => f.write_str("- 0")?,
        }
        write!(f, " {:.1}ms", milliseconds(record))?;
        if record.ending == Ending::CutShort {
            f.write_str(" cut-short")?;
        }
        if let Some(fault) = &record.fault {
            write!(f, " \"{}\"", Escaped(&fault.0))?;
        }
        Ok(())
    }
}

fn object(record: &Record) -> serde_json::Value {
    let mut object = json!({
        "event": "request",
        "time": Time(record.began.into()).to_string(),
        "peer": peer(record.peer.as_ref()),
        "method": record.method.as_str(),
        "target": record.target.to_string(),
        "version": version(record.version),
        "status": record.status.map(|status| status.as_u16()),
        "bytes": record.bytes,
        "milliseconds": (milliseconds(record) * 1000.0).round() / 1000.0,
        "complete": record.ending == Ending::Whole,
    });
    if let Some(fault) = &record.fault {
        object["error"] = json!(*fault.0);
    }
    object
}

fn milliseconds(record: &Record) -> f64 {
    record.took.as_secs_f64() * 1000.0
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

/// The client's address; `unix` where it has none.
fn peer(connection: Option<&ConnectionInfo>) -> String {
    match connection.map(ConnectionInfo::peer_addr) {
        None => "-".into(),
        Some(Addr::Unnamed) => "unix".into(),
        Some(addr) => Escaped(&addr.to_string()).to_string(),
    }
}

/// RFC 3339, to the millisecond.
struct Time(Utc);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Utc { year, month, day, hour, minute, second, millisecond } = self.0;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        write!(f, ".{millisecond:03}Z")
    }
}

/// What a client said, without a character that ends a line or a quotation, or moves a terminal's
/// cursor.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'"' | b'\\' => write!(f, "\\{}", char::from(byte)),
            b' '..=b'~' => write!(f, "{}", char::from(byte)),
            _ => write!(f, "\\x{byte:02x}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use http::{Method, StatusCode};

    use super::*;

    fn record() -> Record {
        Record {
            began: SystemTime::UNIX_EPOCH + Duration::from_millis(1_774_087_384_005),
            took: Duration::from_micros(1250),
            peer: None,
            method: Method::GET,
            target: "/a?b='c'".parse().expect("a target"),
            version: Version::HTTP_11,
            status: Some(StatusCode::OK),
            bytes: 12,
            ending: Ending::Whole,
            fault: None,
        }
    }

    #[test]
    fn a_request_is_one_line() {
        let line = Line(&record()).to_string();
        let expected = "2026-03-21T10:03:04.005Z - \"GET /a?b='c' HTTP/1.1\" 200 12 1.2ms";
        assert_eq!(line, expected);
    }

    #[test]
    fn an_unanswered_request_has_no_status() {
        let record = Record { status: None, ending: Ending::CutShort, bytes: 0, ..record() };
        assert!(Line(&record).to_string().ends_with(" - 0 1.2ms cut-short"));
        assert_eq!(object(&record)["status"], serde_json::Value::Null);
        assert_eq!(object(&record)["complete"], false);
    }

    #[test]
    fn nothing_moves_the_cursor_or_ends_the_line() {
        assert_eq!(Escaped("a\r\n\u{1b}[2Jé").to_string(), "a\\x0d\\x0a\\x1b[2J\\xc3\\xa9");
    }
}
