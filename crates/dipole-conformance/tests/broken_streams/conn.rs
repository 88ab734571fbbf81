//! The broken library's connections.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use dipole_net::{
    Addr, BoxFuture, BoxReceive, BoxSend, Connection, Datagrams, Error, ErrorKind, Result,
    SendStreamExt, Stream, StreamConn, StreamConnStats, TlsInfo,
};

use crate::fault::Fault;
use crate::halves::{BrokenReceive, BrokenSend};

/// A correct connection with one fault built in, or none.
pub(crate) struct BrokenConn {
    inner: Arc<dyn StreamConn>,
    fault: Option<Fault>,
    first_peer: Addr,
}

impl BrokenConn {
    pub(crate) fn build_into(connection: Connection, fault: Option<Fault>) -> Connection {
        let inner: Arc<dyn StreamConn> = connection.into_streams().expect("streams").into();
        if fault == Some(Fault::NeverLetsGo) {
            std::mem::forget(Arc::clone(&inner));
        }
        let first_peer = inner.peer_addr();
        Connection::Streams(Box::new(Self { inner, fault, first_peer }))
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn stream(&self, mut stream: Stream) -> Stream {
        if self.has(Fault::OpeningSends) {
            let write = pin!(stream.send.write(b"x"));
            drop(write.poll(&mut Context::from_waker(Waker::noop())));
        }
        self.accepted(stream)
    }

    fn accepted(&self, stream: Stream) -> Stream {
        Stream {
            send: Box::new(BrokenSend::new(stream.send, self.fault)),
            receive: Box::new(BrokenReceive::new(stream.receive, self.fault)),
        }
    }
}

/// Runs `future` in a task that goes on when nobody waits for it any more, and keeps what it got.
async fn beside<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (give, take) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        if let Err(unclaimed) = give.send(future.await) {
            std::mem::forget(unclaimed);
        }
    });
    take.await.expect("the task runs to its end")
}

impl StreamConn for BrokenConn {
    fn accept_stream(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            if !self.has(Fault::DroppedAcceptLosesAStream) {
                return self.inner.accept_stream().await.map(|stream| self.accepted(stream));
            }
            let inner = Arc::clone(&self.inner);
            let accepted = beside(async move { inner.accept_stream().await }).await;
            accepted.map(|stream| self.accepted(stream))
        })
    }

    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>> {
        self.inner.accept_uni_stream()
    }

    fn open_stream(&self) -> Result<Stream> {
        match self.inner.open_stream() {
            Err(error)
                if *error.kind() == ErrorKind::StreamLimit && self.has(Fault::LimitIsATimeout) =>
            {
                Err(ErrorKind::TimedOut.into())
            }
            opened => opened.map(|stream| self.stream(stream)),
        }
    }

    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            if !self.has(Fault::DroppedOpenKeepsItsCredit) {
                return self.inner.open_stream_sync().await.map(|stream| self.stream(stream));
            }
            let inner = Arc::clone(&self.inner);
            let opened = beside(async move { inner.open_stream_sync().await }).await;
            opened.map(|stream| self.stream(stream))
        })
    }

    fn open_uni_stream(&self) -> Result<BoxSend> {
        self.inner.open_uni_stream()
    }

    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>> {
        self.inner.open_uni_stream_sync()
    }

    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.handshake_complete()
    }

    fn closed(&self) -> BoxFuture<'_, Error> {
        self.inner.closed()
    }

    fn close_with_error(&self, code: u64, reason: &[u8]) {
        let code = if self.has(Fault::ClosesWithoutTheCode) { 0 } else { code };
        self.inner.close_with_error(code, reason);
    }

    fn version(&self) -> u32 {
        self.inner.version()
    }

    fn local_addr(&self) -> Addr {
        self.inner.local_addr()
    }

    fn peer_addr(&self) -> Addr {
        match self.has(Fault::ForgetsThatThePeerMoves) {
            true => self.first_peer.clone(),
            false => self.inner.peer_addr(),
        }
    }

    fn tls(&self) -> Option<&TlsInfo> {
        self.inner.tls()
    }

    fn datagrams(&self) -> Option<&dyn Datagrams> {
        match self.has(Fault::LosesWhatIsTooLarge) {
            true => self.inner.datagrams().map(|_| self as &dyn Datagrams),
            false => self.inner.datagrams(),
        }
    }

    fn stats(&self) -> StreamConnStats {
        self.inner.stats()
    }
}

impl BrokenConn {
    fn sound_datagrams(&self) -> &dyn Datagrams {
        self.inner.datagrams().expect("they were there when they were asked for")
    }
}

impl Datagrams for BrokenConn {
    fn longest(&self) -> Option<usize> {
        self.sound_datagrams().longest()
    }

    fn send(&self, datagram: Bytes) -> Result<()> {
        match self.sound_datagrams().send(datagram) {
            Err(error) if *error.kind() == ErrorKind::InvalidInput => Ok(()),
            sent => sent,
        }
    }

    fn receive(&self) -> BoxFuture<'_, Result<Bytes>> {
        self.sound_datagrams().receive()
    }
}
