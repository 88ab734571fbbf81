//! What is asked.

use bytes::Bytes;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// `GET /` with a host and nothing else.
    Hello,
    /// `GET /` with the twenty headers of a browser.
    Browser,
    /// `POST /echo` with 4 KiB.
    Post,
    /// `GET /`, sixteen at once.
    Pipelined,
}

/// What is posted.
pub(crate) const ECHO: &[u8] = &[b'x'; 4096];
const PIPELINE_DEPTH: usize = 16;
const HOST: &str = "Host: 127.0.0.1:8888";

const BROWSER_HEADERS: [&str; 20] = [
    "Host: www.example.com",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) \
     AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
     image/webp,image/apng,*/*;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cache-Control: max-age=0",
    "Connection: keep-alive",
    "Cookie: session=0f4c1b7a9d2e4c58a3b6d1e2f3a4b5c6; theme=dark; \
     consent=necessary%2Cstatistics",
    "DNT: 1",
    "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT",
    "Priority: u=0, i",
    "Referer: https://www.example.com/articles/2026/01/a-page-that-links-here",
    "Sec-CH-UA: \"Chromium\";v=\"143\", \"Not A(Brand\";v=\"24\"",
    "Sec-CH-UA-Mobile: ?0",
    "Sec-CH-UA-Platform: \"Linux\"",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
    "Upgrade-Insecure-Requests: 1",
];

impl Scenario {
    /// How many requests the client sends at once.
    pub fn depth(self) -> usize {
        match self {
            Self::Pipelined => PIPELINE_DEPTH,
            Self::Hello | Self::Browser | Self::Post => 1,
        }
    }

    /// The bytes that the client sends at once: `depth` requests.
    pub fn batch(self) -> Bytes {
        let request = match self {
            Self::Hello | Self::Pipelined => format!("GET / HTTP/1.1\r\n{HOST}\r\n\r\n"),
            Self::Browser => format!("GET / HTTP/1.1\r\n{}\r\n\r\n", BROWSER_HEADERS.join("\r\n")),
            Self::Post => format!(
                "POST /echo HTTP/1.1\r\n{HOST}\r\nContent-Length: {}\r\n\r\n{}",
                ECHO.len(),
                String::from_utf8_lossy(ECHO)
            ),
        };
        request.repeat(self.depth()).into()
    }

    /// The size of the body of each answer.
    pub fn answer_body_size(self) -> usize {
        match self {
            Self::Post => ECHO.len(),
            Self::Hello | Self::Browser | Self::Pipelined => HELLO.len(),
        }
    }
}

/// The answer to `GET /`.
pub(crate) const HELLO: &str = "Hello, World!";
/// Its media type.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of an echo.
pub(crate) const BINARY: &str = "application/octet-stream";
