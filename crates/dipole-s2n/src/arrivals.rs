//! The peer's streams, in the order in which something comes on them, and the connection's end.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use dipole_net::{Error, ErrorKind, Result};
use s2n_quic::connection::{Error as ConnectionError, StreamAcceptor};
use s2n_quic::stream::SendStream;
use tokio::sync::{Mutex, mpsc, watch};

use crate::conn::Shared;
use crate::error::connection_error;
use crate::receive::S2nReceive;

/// What a connection's task finds. s2n-quic tells of a connection's end only whoever accepts, so
/// one task accepts as long as the connection lives. The queues are bounded by the streams that the
/// peer may open.
pub(crate) struct Arrivals {
    streams: Mutex<mpsc::UnboundedReceiver<(SendStream, S2nReceive)>>,
    uni_streams: Mutex<mpsc::UnboundedReceiver<S2nReceive>>,
    end: watch::Receiver<Option<Error>>,
}

impl Arrivals {
    pub(crate) fn start(acceptor: StreamAcceptor, shared: &Arc<Shared>) -> Self {
        let (give_streams, streams) = mpsc::unbounded_channel();
        let (give_uni_streams, uni_streams) = mpsc::unbounded_channel();
        let (give_end, end) = watch::channel(None);
        let mut task = Task {
            acceptor,
            shared: Arc::downgrade(shared),
            silent: Vec::new(),
            silent_uni: Vec::new(),
            streams: give_streams,
            uni_streams: give_uni_streams,
        };
        tokio::spawn(async move {
            let error = poll_fn(|cx| task.poll_end(cx)).await;
            let error = match (error, task.shared.upgrade()) {
                (Some(error), Some(shared)) => shared.error(error),
                (Some(error), None) => connection_error(error, None),
                (None, Some(shared)) => shared.why(),
                (None, None) => ErrorKind::Closed.into(),
            };
            drop(give_end.send(Some(error)));
        });
        Self { streams: Mutex::new(streams), uni_streams: Mutex::new(uni_streams), end }
    }

    /// The next bidirectional stream. Those that wait are served in turn.
    pub(crate) async fn next(&self) -> Result<(SendStream, S2nReceive)> {
        match self.streams.lock().await.recv().await {
            Some(stream) => Ok(stream),
            None => Err(self.end().await),
        }
    }

    /// The next unidirectional stream.
    pub(crate) async fn next_uni(&self) -> Result<S2nReceive> {
        match self.uni_streams.lock().await.recv().await {
            Some(stream) => Ok(stream),
            None => Err(self.end().await),
        }
    }

    /// Ends when the connection has.
    pub(crate) fn end(&self) -> impl Future<Output = Error> + Send + 'static {
        let mut end = self.end.clone();
        async move {
            match end.wait_for(Option::is_some).await {
                Ok(error) => error.clone().unwrap_or_else(|| ErrorKind::Closed.into()),
                Err(_) => ErrorKind::Closed.into(),
            }
        }
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&self) -> Option<Error> {
        self.end.borrow().clone()
    }
}

/// Accepts until the connection ends.
struct Task {
    acceptor: StreamAcceptor,
    shared: Weak<Shared>,
    /// Opened along with streams of higher numbers; nothing has come on them (S7).
    silent: Vec<(Option<SendStream>, S2nReceive)>,
    silent_uni: Vec<S2nReceive>,
    streams: mpsc::UnboundedSender<(SendStream, S2nReceive)>,
    uni_streams: mpsc::UnboundedSender<S2nReceive>,
}

impl Task {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConnectionError>> {
        let end = self.poll_accept(cx);
        self.silent.retain_mut(|(send, receive)| match receive.poll_first(cx) {
            Poll::Pending => true,
            Poll::Ready(()) => {
                let receive = receive.take();
                if let Some(send) = send.take() {
                    // Gone with the connection, when nobody takes it.
                    drop(self.streams.send((send, receive)));
                }
                false
            }
        });
        self.silent_uni.retain_mut(|receive| match receive.poll_first(cx) {
            Poll::Pending => true,
            Poll::Ready(()) => {
                drop(self.uni_streams.send(receive.take()));
                false
            }
        });
        end
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConnectionError>> {
        loop {
            match self.acceptor.poll_accept_bidirectional_stream(cx) {
                Poll::Ready(Ok(Some(stream))) => {
                    let (receive, send) = stream.split();
                    self.silent.push((Some(send), S2nReceive::new(receive, None)));
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(None),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                Poll::Pending => break,
            }
        }
        loop {
            match self.acceptor.poll_accept_receive_stream(cx) {
                Poll::Ready(Ok(Some(stream))) => {
                    self.silent_uni.push(S2nReceive::new(stream, None));
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(None),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
