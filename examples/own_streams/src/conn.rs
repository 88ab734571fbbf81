//! The contract's connection.

use std::sync::Arc;

use dipole_net::{
    Addr, BoxFuture, BoxReceive, BoxSend, Error, ErrorKind, Result, Stream, StreamConn,
    StreamConnStats, TlsInfo,
};

use crate::frame::Kind;
use crate::receive::MuxReceive;
use crate::send::MuxSend;
use crate::session::{Handle, Session};
use crate::state::Queue;

/// One end of a connection of streams.
pub(crate) struct MuxConn {
    handle: Arc<Handle>,
}

impl MuxConn {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { handle: Arc::new(Handle { session }) }
    }

    fn session(&self) -> &Session {
        &self.handle.session
    }

    async fn accept(&self, kind: Kind) -> Result<u64> {
        let accept =
            self.session().wait(Queue::Accept(kind), |state, woken| state.accept(kind, woken));
        accept.await
    }

    async fn opened(&self, kind: Kind) -> Result<u64> {
        self.session().wait(Queue::Open(kind), |state, _| state.open(kind)).await
    }

    fn open(&self, kind: Kind) -> Result<u64> {
        let opened = self.session().turnstiles[kind as usize].at_once(self.opened(kind));
        opened.unwrap_or_else(|| {
            let ended = self.session().with(|state, _| state.ended.clone());
            Err(ended.unwrap_or_else(|| ErrorKind::StreamLimit.into()))
        })
    }

    async fn open_sync(&self, kind: Kind) -> Result<u64> {
        self.session().turnstiles[kind as usize].pass(self.opened(kind)).await
    }

    fn stream(&self, id: u64) -> Stream {
        Stream { send: self.send_half(id), receive: self.receive_half(id) }
    }

    fn send_half(&self, id: u64) -> BoxSend {
        Box::new(MuxSend::new(Arc::clone(&self.handle), id))
    }

    fn receive_half(&self, id: u64) -> BoxReceive {
        Box::new(MuxReceive::new(Arc::clone(&self.handle), id))
    }
}

impl StreamConn for MuxConn {
    fn accept_stream(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async { Ok(self.stream(self.accept(Kind::Bidi).await?)) })
    }

    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>> {
        Box::pin(async { Ok(self.receive_half(self.accept(Kind::Uni).await?)) })
    }

    fn open_stream(&self) -> Result<Stream> {
        Ok(self.stream(self.open(Kind::Bidi)?))
    }

    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async { Ok(self.stream(self.open_sync(Kind::Bidi).await?)) })
    }

    fn open_uni_stream(&self) -> Result<BoxSend> {
        Ok(self.send_half(self.open(Kind::Uni)?))
    }

    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>> {
        Box::pin(async { Ok(self.send_half(self.open_sync(Kind::Uni).await?)) })
    }

    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>> {
        // Both hellos have been said before there is a connection.
        Box::pin(async { Ok(()) })
    }

    fn closed(&self) -> BoxFuture<'_, Error> {
        Box::pin(self.session().wait(Queue::Closed, |state, _| state.ended.clone()))
    }

    fn close_with_error(&self, code: u64, reason: &[u8]) {
        self.session().close(code, reason);
    }

    fn version(&self) -> u32 {
        0
    }

    fn local_addr(&self) -> Addr {
        self.session().local.clone()
    }

    fn peer_addr(&self) -> Addr {
        self.session().peer.clone()
    }

    fn tls(&self) -> Option<&TlsInfo> {
        self.session().tls.as_ref()
    }

    fn stats(&self) -> StreamConnStats {
        let mut stats = StreamConnStats::default();
        (stats.received, stats.sent) = self.session().with(|state, _| (state.received, state.sent));
        stats
    }
}
