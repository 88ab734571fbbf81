//! An answer as a client reads it. A reader of its own: the server's codec is not trusted here.

use std::fmt;

/// One answer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// Names and values as they came, in their order.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The sizes of its chunks; `None` where the body is not in the chunked coding.
    pub(crate) chunks: Option<Vec<usize>>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Its length on the wire, in bytes.
    pub(crate) length: usize,
}

impl Answer {
    /// The one field of this name; panics when there are several.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name);
        let value = values.next().map(|(_, value)| &**value);
        assert_eq!(values.next(), None, "{name} came twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }

    /// Has exactly this status, these fields and this body, and exactly one `date` that is one.
    #[track_caller]
    pub(crate) fn expect<B: AsRef<[u8]> + ?Sized>(
        &self,
        status: u16,
        fields: &[(&str, &str)],
        body: &B,
    ) -> &Self {
        let mut expected: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (dates, mut others): (Vec<_>, Vec<_>) =
            self.fields.iter().cloned().partition(|(name, _)| name == "date");
        expected.sort();
        others.sort();
        assert_eq!((self.status, &others), (status, &expected), "{self:?}");
        assert_eq!(dates.len(), 1, "one date: {self:?}");
        assert!(is_date(&dates[0].1), "{self:?}");
        let body = body.as_ref();
        assert!(self.body == body, "{} bytes, not {}: {self:?}", self.body.len(), body.len());
        self
    }

    /// Says why, with this status, and that the connection ends.
    #[track_caller]
    pub(crate) fn expect_refusal(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.text().ends_with('\n') && self.body.len() > 1, "{self:?}");
        let length = self.body.len().to_string();
        let fields = [
            ("connection", "close"),
            ("content-length", &*length),
            ("content-type", "text/plain; charset=utf-8"),
        ];
        self.expect(status, &fields, &self.body.clone())
    }

    /// The answer at the beginning of `bytes`; `None` when it is not whole. `to_head` says that
    /// the request was a HEAD.
    pub(crate) fn parse(bytes: &[u8], to_head: bool, at_end: bool) -> Option<Self> {
        let mut lines = Lines { bytes, at: 0 };
        let status_line = lines.next()?;
        let (version, rest) = split_once(&status_line, ' ');
        assert_eq!(version, "HTTP/1.1", "{status_line:?}");
        let (status, reason) = split_once(rest, ' ');
        assert_eq!(status.len(), 3, "{status_line:?}");
        let status = status.parse().unwrap_or_else(|_| panic!("{status_line:?}"));
        let mut answer = Self {
            status,
            reason: reason.to_owned(),
            fields: lines.fields()?,
            body: Vec::new(),
            chunks: None,
            trailers: Vec::new(),
            length: 0,
        };
        let coding = answer.field("transfer-encoding");
        let length = answer.field("content-length").map(str::to_owned);
        if to_head || status < 200 || status == 204 || status == 304 {
        } else if coding.is_some() {
            assert_eq!((coding, length), (Some("chunked"), None), "{answer:?}");
            lines.chunks(&mut answer)?;
        } else if let Some(length) = length {
            let length = length.parse().unwrap_or_else(|_| panic!("{answer:?}"));
            answer.body = lines.take(length)?.to_vec();
        } else {
            assert!(answer.closes(), "an answer without a length ends the connection: {answer:?}");
            if !at_end {
                return None;
            }
            answer.body = lines.take(bytes.len() - lines.at)?.to_vec();
        }
        answer.length = lines.at;
        Some(answer)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, reason, fields, body, .. } = self;
        let body = body[..body.len().min(400)].escape_ascii();
        write!(f, "{status} {reason} {fields:?} \"{body}\" {:?}", self.trailers)
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// A line, which ends in CR LF and nothing else.
    fn next(&mut self) -> Option<String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let line = rest[..end].strip_suffix(b"\r").unwrap_or_else(|| panic!("{}", print(rest)));
        assert!(!line.contains(&b'\r'), "{}", print(rest));
        self.at += end + 1;
        Some(String::from_utf8(line.to_vec()).unwrap_or_else(|_| panic!("{}", print(rest))))
    }

    fn fields(&mut self) -> Option<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.next()?;
            if line.is_empty() {
                return Some(fields);
            }
            let (name, value) = split_once(&line, ':');
            assert!(!name.is_empty() && !name.contains(' '), "{line:?}");
            fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at + length)?;
        self.at += length;
        Some(taken)
    }

    fn chunks(&mut self, answer: &mut Answer) -> Option<()> {
        let mut sizes = Vec::new();
        loop {
            let line = self.next()?;
            let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("{line:?}"));
            if size == 0 {
                answer.trailers = self.fields()?;
                answer.chunks = Some(sizes);
                return Some(());
            }
            sizes.push(size);
            answer.body.extend_from_slice(self.take(size)?);
            assert_eq!(self.take(2)?, b"\r\n");
        }
    }
}

fn split_once(text: &str, at: char) -> (&str, &str) {
    text.split_once(at).unwrap_or_else(|| panic!("no {at:?} in {text:?}"))
}

fn print(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// An IMF-fixdate that is not far from the machine's time.
fn is_date(value: &str) -> bool {
    let Ok(date) = httpdate::parse_http_date(value) else { return false };
    let now = std::time::SystemTime::now();
    let apart = now.duration_since(date).or_else(|_| date.duration_since(now));
    httpdate::fmt_http_date(date) == value && apart.is_ok_and(|apart| apart.as_secs() < 3600)
}

/// The text of answers with `<date>` for each date, so that they can be compared byte for byte.
pub(crate) fn masked(bytes: &[u8]) -> String {
    const FIELD: &str = "\r\ndate: ";
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split(FIELD);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (date, rest) = split_once(part, '\r');
        assert!(is_date(date), "{text}");
        masked = masked + FIELD + "<date>\r" + rest;
    }
    masked
}
