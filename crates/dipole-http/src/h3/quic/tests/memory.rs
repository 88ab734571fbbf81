//! Connections of streams in memory, with nothing between their ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use dipole_net::{
    Addr, BoxFuture, BoxReceive, BoxSend, Error, ErrorKind, Initiator, ReceiveStream, Result,
    SendStream, Stream, StreamConn, StreamConnStats,
};
use tokio::sync::{Mutex, mpsc, watch};

/// Both ends of a connection, the client's first.
pub(super) fn pair() -> (Arc<dyn StreamConn>, Arc<dyn StreamConn>) {
    let (close, closed) = watch::channel(None);
    let close = Arc::new(close);
    let (to_client, from_server) = mpsc::unbounded_channel();
    let (to_server, from_client) = mpsc::unbounded_channel();
    let (uni_to_client, uni_from_server) = mpsc::unbounded_channel();
    let (uni_to_server, uni_from_client) = mpsc::unbounded_channel();
    let client = Memory {
        close: Arc::clone(&close),
        closed: closed.clone(),
        peer: to_server,
        uni_peer: uni_to_server,
        incoming: Mutex::new(from_server),
        uni_incoming: Mutex::new(uni_from_server),
        next: AtomicU64::new(0),
    };
    let server = Memory {
        close,
        closed,
        peer: to_client,
        uni_peer: uni_to_client,
        incoming: Mutex::new(from_client),
        uni_incoming: Mutex::new(uni_from_client),
        next: AtomicU64::new(1),
    };
    (Arc::new(client), Arc::new(server))
}

struct Memory {
    close: Arc<watch::Sender<Option<u64>>>,
    closed: watch::Receiver<Option<u64>>,
    peer: mpsc::UnboundedSender<Stream>,
    uni_peer: mpsc::UnboundedSender<BoxReceive>,
    incoming: Mutex<mpsc::UnboundedReceiver<Stream>>,
    uni_incoming: Mutex<mpsc::UnboundedReceiver<BoxReceive>>,
    next: AtomicU64,
}

fn application(code: u64) -> Error {
    Error::new(ErrorKind::Application { code, reason: Bytes::new(), by: Initiator::Peer })
}

impl Memory {
    fn halves(&self, id: u64) -> (BoxSend, BoxReceive) {
        let (pieces, arriving) = mpsc::unbounded_channel();
        let closed = self.closed.clone();
        let send = Half { id, pieces: Some(pieces) };
        let receive = OtherHalf { id, arriving, closed };
        (Box::new(send), Box::new(receive))
    }

    async fn end(&self) -> Error {
        let mut closed = self.closed.clone();
        let code = closed.wait_for(Option::is_some).await.ok().and_then(|code| *code);
        application(code.unwrap_or(0))
    }
}

impl StreamConn for Memory {
    fn accept_stream(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            let mut incoming = self.incoming.lock().await;
            tokio::select! {
                biased;
                Some(stream) = incoming.recv() => Ok(stream),
                error = self.end() => Err(error),
            }
        })
    }
    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>> {
        Box::pin(async {
            let mut incoming = self.uni_incoming.lock().await;
            tokio::select! {
                biased;
                Some(stream) = incoming.recv() => Ok(stream),
                error = self.end() => Err(error),
            }
        })
    }
    fn open_stream(&self) -> Result<Stream> {
        let id = self.next.fetch_add(4, Ordering::Relaxed);
        let ((send, theirs), (back, receive)) = (self.halves(id), self.halves(id));
        drop(self.peer.send(Stream { send: back, receive: theirs }));
        Ok(Stream { send, receive })
    }
    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async { self.open_stream() })
    }
    fn open_uni_stream(&self) -> Result<BoxSend> {
        let (send, theirs) = self.halves(2 + self.next.load(Ordering::Relaxed) % 2);
        drop(self.uni_peer.send(theirs));
        Ok(send)
    }
    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>> {
        Box::pin(async { self.open_uni_stream() })
    }
    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
    fn closed(&self) -> BoxFuture<'_, Error> {
        Box::pin(self.end())
    }
    fn close_with_error(&self, code: u64, _reason: &[u8]) {
        self.close.send_if_modified(|closed| closed.is_none() && closed.replace(code).is_none());
    }
    fn version(&self) -> u32 {
        0
    }
    fn local_addr(&self) -> Addr {
        Addr::Ip(([127, 0, 0, 1], 1).into())
    }
    fn peer_addr(&self) -> Addr {
        self.local_addr()
    }
    fn stats(&self) -> StreamConnStats {
        StreamConnStats::default()
    }
}

struct Half {
    id: u64,
    pieces: Option<mpsc::UnboundedSender<Bytes>>,
}

impl SendStream for Half {
    fn id(&self) -> u64 {
        self.id
    }
    fn poll_write(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        let Some(pieces) = &self.pieces else { return Poll::Ready(Err(ErrorKind::Closed.into())) };
        drop(pieces.send(Bytes::copy_from_slice(data)));
        Poll::Ready(Ok(data.len()))
    }
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.pieces = None;
        Poll::Ready(Ok(()))
    }
    fn cancel_write(&mut self, _code: u64) {
        self.pieces = None;
    }
    fn poll_stopped(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        Poll::Pending
    }
    fn set_write_deadline(&mut self, _: Option<Instant>) {}
    fn set_priority(&mut self, _: i32) {}
}

struct OtherHalf {
    id: u64,
    arriving: mpsc::UnboundedReceiver<Bytes>,
    closed: watch::Receiver<Option<u64>>,
}

impl ReceiveStream for OtherHalf {
    fn id(&self) -> u64 {
        self.id
    }
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        // What arrived before the end is read before it.
        if let Poll::Ready(bytes) = self.arriving.poll_recv(cx) {
            return Poll::Ready(Ok(bytes));
        }
        match *self.closed.borrow() {
            Some(code) => Poll::Ready(Err(application(code))),
            None => Poll::Pending,
        }
    }
    fn cancel_read(&mut self, _code: u64) {}
    fn set_read_deadline(&mut self, _: Option<Instant>) {}
}
