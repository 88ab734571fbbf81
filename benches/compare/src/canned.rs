//! Canned answers, and how a request is told: no HTTP, the same for every server that is a floor.

use std::io::Write;

use memchr::memmem::Finder;

use crate::{BINARY, HELLO, TEXT, mebibyte_slice};

/// A fixed date: as long as the one that the others keep up to date.
const DATE: &str = "date: Thu, 01 Jan 2026 00:00:00 GMT";

/// The canned answers, and the finders of what a request is told by.
pub struct Answers {
    pub hello: Vec<u8>,
    pub mebibyte_head: Vec<u8>,
    pub mebibyte: &'static [u8],
    not_found: Vec<u8>,
    blank_line: Finder<'static>,
    content_length: Finder<'static>,
}

/// What a request asks for.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    Hello,
    Echo(&'a [u8]),
    Mebibyte,
    Unknown,
}

/// A POST without a length.
#[derive(Debug)]
pub struct Unreadable;

impl Default for Answers {
    fn default() -> Self {
        let head = |status: &str, media_type: &str, length: usize| {
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\n\
                 content-length: {length}\r\n{DATE}\r\n\r\n"
            )
            .into_bytes()
        };
        let mebibyte: &'static [u8] = mebibyte_slice();
        Self {
            hello: [head("200 OK", TEXT, HELLO.len()), HELLO.into()].concat(),
            mebibyte_head: head("200 OK", BINARY, mebibyte.len()),
            mebibyte,
            not_found: head("404 Not Found", TEXT, 0),
            blank_line: Finder::new(b"\r\n\r\n"),
            content_length: Finder::new(b"\r\nContent-Length: "),
        }
    }
}

impl Answers {
    /// The request at the start of `input` and its length, when it is whole.
    #[inline]
    pub fn next<'a>(&self, input: &'a [u8]) -> Result<Option<(Asked<'a>, usize)>, Unreadable> {
        let Some(blank_line) = self.blank_line.find(input) else { return Ok(None) };
        let (head, rest) = input.split_at(blank_line + 4);
        if head.starts_with(b"GET / ") {
            return Ok(Some((Asked::Hello, head.len())));
        }
        if head.starts_with(b"POST /echo ") {
            let length = self.content_length_of(head)?;
            let body = rest.get(..length);
            return Ok(body.map(|body| (Asked::Echo(body), head.len() + length)));
        }
        let asked = if head.starts_with(b"GET /1m ") { Asked::Mebibyte } else { Asked::Unknown };
        Ok(Some((asked, head.len())))
    }

    /// Appends an answer; the mebibyte's is its head alone.
    #[inline]
    pub fn put(&self, output: &mut Vec<u8>, asked: Asked<'_>) {
        match asked {
            Asked::Hello => output.extend_from_slice(&self.hello),
            Asked::Echo(body) => self.put_echo(output, body),
            Asked::Mebibyte => output.extend_from_slice(&self.mebibyte_head),
            Asked::Unknown => output.extend_from_slice(&self.not_found),
        }
    }

    fn content_length_of(&self, head: &[u8]) -> Result<usize, Unreadable> {
        let found = self.content_length.find(head).ok_or(Unreadable)?;
        let digits = head[found + "\r\nContent-Length: ".len()..].iter();
        let digits = digits.take_while(|byte| byte.is_ascii_digit());
        Ok(digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0')))
    }

    fn put_echo(&self, output: &mut Vec<u8>, body: &[u8]) {
        write!(
            output,
            "HTTP/1.1 200 OK\r\ncontent-type: {BINARY}\r\ncontent-length: {}\r\n{DATE}\r\n\r\n",
            body.len()
        )
        .expect("a write to a vector does not fail");
        output.extend_from_slice(body);
    }
}
