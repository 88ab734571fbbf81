//! A client that is a script: it writes bytes and looks at what comes.

use std::time::Duration;

use dipole_net::{Conn, ConnExt, ErrorKind};
use tokio::time::{Instant, timeout};

use super::{Answer, masked};

/// A client's end of a connection. Whatever it does not expect is a panic.
pub(crate) struct Peer {
    pub(crate) conn: Box<dyn Conn>,
    /// How long it waits for what has to come.
    patience: Duration,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In order.
    Eof,
    /// Broken off.
    Reset,
}

impl Peer {
    pub(crate) fn new(conn: Box<dyn Conn>, patience: Duration) -> Self {
        Self { conn, patience }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> impl Future<Output = ()> {
        self.conn.put(bytes.as_ref());
        let patience = self.patience;
        async move {
            let sent = timeout(patience, self.conn.flush()).await;
            sent.expect("the server takes what is sent").expect("the server is there");
        }
    }

    /// Sends and does not mind when the server has gone meanwhile.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(self.patience, self.conn.write_all(bytes.as_ref())).await;
        drop(sent.expect("the server takes what is sent, or goes"));
    }

    pub(crate) async fn half_close(&mut self) {
        self.conn.shutdown().await.expect("the server is there");
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.parse(false).await
    }

    /// The next answer, which is to a HEAD.
    pub(crate) async fn answer_to_head(&mut self) -> Answer {
        self.parse(true).await
    }

    /// Sends a request and gives its answer.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes).await;
        self.answer().await
    }

    async fn parse(&mut self, to_head: bool) -> Answer {
        let deadline = Instant::now() + self.patience;
        let mut at_end = false;
        loop {
            if let Some(answer) = Answer::parse(self.conn.buffered(), to_head, at_end) {
                self.conn.skip(answer.length).expect("it is held");
                return answer;
            }
            assert!(!at_end, "the connection ended in an answer: {}", self.held());
            let more = self.conn.buffered().len() + 1;
            match tokio::time::timeout_at(deadline, self.conn.peek(more)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.is_eof() => at_end = true,
                Ok(Err(error)) => panic!("{error} after {}", self.held()),
                Err(_) => panic!("no answer, only {}", self.held()),
            }
        }
    }

    /// What has come so far and was not looked at yet, its dates masked.
    pub(crate) async fn so_far(&mut self) -> String {
        while let Ok(Ok(_)) =
            timeout(Duration::ZERO, self.conn.peek(self.conn.buffered().len() + 1)).await
        {}
        let bytes = self.conn.buffered().to_vec();
        self.conn.skip(bytes.len()).expect("they are held");
        masked(&bytes)
    }

    /// All that still comes, its dates masked, and how the connection ends.
    pub(crate) async fn rest(&mut self) -> (String, End) {
        let (bytes, end) = self.rest_bytes().await;
        (masked(&bytes), end)
    }

    /// All that still comes, and how the connection ends.
    pub(crate) async fn rest_bytes(&mut self) -> (Vec<u8>, End) {
        loop {
            let more = self.conn.buffered().len() + 1;
            let error = match timeout(self.patience, self.conn.peek(more)).await {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => error,
                Err(_) => panic!("the connection does not end after {}", self.held()),
            };
            let end = match error.kind() {
                ErrorKind::Eof => End::Eof,
                ErrorKind::Reset => End::Reset,
                _ => panic!("{error} after {}", self.held()),
            };
            let bytes = self.conn.buffered().to_vec();
            self.conn.skip(bytes.len()).expect("they are held");
            return (bytes, end);
        }
    }

    /// Waits until so many bytes are held.
    pub(crate) async fn expect_held(&mut self, bytes: usize) {
        match timeout(self.patience, self.conn.peek(bytes)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => panic!("{error} after {}", self.held()),
            Err(_) => panic!("not {bytes} bytes, only {}", self.held()),
        }
    }

    /// Nothing more comes, and the connection ends in order.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.rest().await, (String::new(), End::Eof));
    }

    /// The connection ends in order, and not before or after this time from now.
    pub(crate) async fn expect_end_after(&mut self, wait: Duration) {
        let begin = Instant::now();
        self.expect_end().await;
        expect_on_time(begin, wait);
    }

    /// Neither an answer nor the end comes for so long.
    pub(crate) async fn expect_silence(&mut self, length: Duration) {
        let more = self.conn.buffered().len() + 1;
        match timeout(length, self.conn.peek(more)).await {
            Err(_) => {}
            Ok(Ok(_)) => panic!("expected nothing, not {}", self.held()),
            Ok(Err(error)) => panic!("expected nothing, not {error}"),
        }
    }

    /// What came and is unread, in short.
    fn held(&self) -> String {
        let held = self.conn.buffered();
        let (first, last) = (&held[..held.len().min(400)], &held[held.len().saturating_sub(40)..]);
        let (first, last) = (first.escape_ascii(), last.escape_ascii());
        format!("{} bytes: {first} to the end: {last}", held.len())
    }
}

/// It is so long after `begin`, to within the clock's tick.
#[track_caller]
pub(crate) fn expect_on_time(begin: Instant, wait: Duration) {
    let took = begin.elapsed();
    let tick = Duration::from_millis(2);
    assert!(took >= wait && took <= wait + tick, "{took:?}, expected {wait:?}");
}
