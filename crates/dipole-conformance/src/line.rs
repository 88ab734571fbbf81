//! A connection of either kind, for the statements that are about all of them.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::{
    Addr, Conn, ConnExt, Connection, DialOptions, Error, Listener, ReceiveStreamExt, Result,
    SendStreamExt, StreamConn,
};
use tokio::time::timeout;

use crate::Subject;
use crate::pair::Rendezvous;
use crate::verdict::{Verdict, expect_bytes};
use crate::waiting::within;

/// A connection that a few bytes are said over.
pub(crate) enum Line {
    Bytes(Box<dyn Conn>),
    Streams(Arc<dyn StreamConn>),
}

/// What came over a line.
#[derive(Debug)]
pub(crate) enum Heard {
    Bytes(Vec<u8>),
    /// Nothing more will come.
    Gone,
    /// Nothing came in the time.
    Nothing,
}

impl Line {
    /// Sends `words`; over streams, on one of their own.
    pub(crate) async fn say(&mut self, words: &[u8]) -> Result<()> {
        match self {
            Self::Bytes(conn) => conn.write_all(words).await,
            Self::Streams(conn) => {
                let mut stream = conn.open_uni_stream_sync().await?;
                stream.write_all(words).await?;
                stream.close().await
            }
        }
    }

    /// Waits for what the other end says next, `length` bytes of it; at most so long.
    pub(crate) async fn hear(&mut self, length: usize, longest: Duration) -> Result<Heard> {
        let heard = match self {
            Self::Bytes(conn) => {
                let hear = async {
                    let bytes = conn.read_binary(length).await?;
                    Ok(bytes.to_vec())
                };
                timeout(longest, hear).await
            }
            Self::Streams(conn) => {
                let hear = async {
                    let mut stream = conn.accept_uni_stream().await?;
                    Ok(stream.read_to_end(length).await?.to_vec())
                };
                timeout(longest, hear).await
            }
        };
        match heard {
            Err(_) => Ok(Heard::Nothing),
            Ok(Ok(bytes)) => Ok(Heard::Bytes(bytes)),
            Ok(Err(error)) if is_gone(&error) => Ok(Heard::Gone),
            Ok(Err(error)) => Err(error),
        }
    }

    /// The other end's address.
    pub(crate) fn peer_addr(&self) -> Addr {
        match self {
            Self::Bytes(conn) => conn.peer_addr(),
            Self::Streams(conn) => conn.peer_addr(),
        }
    }
}

/// The other end has ended the connection, one way or another.
pub(crate) fn is_gone(error: &Error) -> bool {
    error.is_eof() || error.is_closed()
}

impl From<Connection> for Line {
    fn from(connection: Connection) -> Self {
        match connection {
            Connection::Bytes(conn) => Self::Bytes(conn),
            Connection::Streams(conn) => Self::Streams(conn.into()),
            other => unreachable!("a third kind of connection: {other:?}"),
        }
    }
}

/// A line to `address`, or what the library says instead.
pub(crate) async fn try_dial_line(
    subject: &Subject,
    address: &Addr,
    longest: Option<Duration>,
) -> Result<Line> {
    let mut options = DialOptions::default();
    options.timeout = longest;
    subject.dialer.dial_connection(address, &options).await.map(Line::from)
}

/// A line to `address`; fails when it does not come about.
pub(crate) async fn dial_line(subject: &Subject, address: &Addr) -> Verdict<Line> {
    let dial = try_dial_line(subject, address, Some(Duration::from_secs(10)));
    Ok(within("dial", dial).await??)
}

/// The next line of `listener`, its handshake done; fails when none comes.
pub(crate) async fn accept_line(listener: &mut dyn Listener) -> Verdict<Line> {
    let next = std::future::poll_fn(|cx| listener.poll_accept(cx));
    let incoming = within("accept", next).await??;
    Ok(Line::from(within("the handshake", incoming.accept()).await??))
}

impl Rendezvous {
    /// A new connection of either kind: its dialed end, then its accepted end.
    pub(crate) async fn connect_line(&mut self) -> Verdict<(Line, Line)> {
        // A dial that fails is not waited for at the listener.
        tokio::try_join!(dial_line(&self.subject, &self.address), accept_line(&mut *self.listener))
    }
}

/// Both ends hear what the other says.
pub(crate) async fn expect_talk((dialed, accepted): &mut (Line, Line)) -> Verdict {
    const PATIENCE: Duration = Duration::from_secs(10);
    dialed.say(b"ping").await?;
    expect_heard(accepted.hear(4, PATIENCE).await?, b"ping", "from the dialed end")?;
    accepted.say(b"pong").await?;
    expect_heard(dialed.hear(4, PATIENCE).await?, b"pong", "from the accepted end")
}

fn expect_heard(heard: Heard, expected: &[u8], what: &str) -> Verdict {
    match heard {
        Heard::Bytes(bytes) => expect_bytes(&bytes, expected, what),
        other => Err(crate::verdict::Failure::broken(format_args!("{what}: {other:?}"))),
    }
}
