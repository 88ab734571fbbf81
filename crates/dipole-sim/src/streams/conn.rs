//! One end of a connection of streams.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use dipole_net::{
    Addr, BoxFuture, BoxReceive, BoxSend, Datagrams, Error, ErrorKind, Result, Stream, StreamConn,
    StreamConnStats, TlsInfo,
};
use tokio::time::Instant;

use crate::Config;
use crate::link::End;
use crate::streams::halves::{LARGEST_CODE, SimReceive, SimSend};
use crate::streams::session::{After, Kind, Look, Queue, Session, State};
use crate::streams::waiting::Alarm;

/// One end of a simulated connection of streams.
pub(crate) struct SimStreams {
    handle: Arc<Handle>,
    local: Addr,
    peer: Addr,
    tls: Option<TlsInfo>,
    has_datagrams: bool,
}

/// One end, in as many hands as it takes; the last one closes it.
pub(crate) struct Handle {
    pub(crate) session: Arc<Session>,
    pub(crate) end: End,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.session.leave(self.end);
    }
}

impl SimStreams {
    pub(crate) fn new(
        session: Arc<Session>,
        end: End,
        local: Addr,
        peer: Addr,
        tls: Option<TlsInfo>,
    ) -> Self {
        let has_datagrams = session.look(|state, _, _| state.end(end).options.datagram_queue > 0);
        Self { handle: Arc::new(Handle { session, end }), local, peer, tls, has_datagrams }
    }

    /// The peer never hears of it.
    pub(crate) fn refuse(&self) {
        self.handle.session.refuse();
    }

    fn stream(&self, id: u64) -> Stream {
        Stream { send: self.send_half(id), receive: self.receive_half(id) }
    }

    fn send_half(&self, id: u64) -> BoxSend {
        Box::new(SimSend::new(Arc::clone(&self.handle), id))
    }

    fn receive_half(&self, id: u64) -> BoxReceive {
        Box::new(SimReceive::new(Arc::clone(&self.handle), id))
    }

    fn open(&self, kind: Kind) -> Result<u64> {
        let Handle { session, end } = &*self.handle;
        match session.look(|state, now, _| state.open(*end, kind, None, now)) {
            Look::Ready(opened) => opened,
            Look::Waits(_) => Err(ErrorKind::StreamLimit.into()),
        }
    }

    async fn open_sync(&self, kind: Kind) -> Result<u64> {
        let end = self.handle.end;
        let open =
            move |state: &mut State, turn, now, _: &mut After| state.open(end, kind, turn, now);
        self.wait(Queue::Open(kind), open).await
    }

    async fn accept(&self, kind: Kind) -> Result<u64> {
        let end = self.handle.end;
        let accept = move |state: &mut State, _, now, _: &mut After| state.accept(end, kind, now);
        self.wait(Queue::Accept(kind), accept).await
    }

    /// Looks until there is something, in `queue` meanwhile.
    async fn wait<T>(
        &self,
        queue: Queue,
        look: impl Fn(&mut State, Option<u64>, Instant, &mut After) -> Look<T>,
    ) -> T {
        let mut place = Place { handle: &self.handle, queue, turn: None };
        let mut alarm = Alarm::default();
        poll_fn(|cx| {
            loop {
                let at = match place.look(&look, cx.waker()) {
                    Look::Ready(found) => return Poll::Ready(found),
                    Look::Waits(at) => at,
                };
                if alarm.poll(cx, at).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

/// A place in a queue; dropped, the next one's turn has come.
struct Place<'a> {
    handle: &'a Handle,
    queue: Queue,
    turn: Option<u64>,
}

impl Place<'_> {
    fn look<T>(
        &mut self,
        look: impl Fn(&mut State, Option<u64>, Instant, &mut After) -> Look<T>,
        waker: &Waker,
    ) -> Look<T> {
        let Handle { session, end } = self.handle;
        session.look(|state, now, after| {
            let found = look(state, self.turn, now, after);
            if let Look::Waits(_) = found {
                state.enter(*end, self.queue, &mut self.turn, waker);
            }
            found
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let (Handle { session, end }, Some(turn)) = (self.handle, self.turn) else { return };
        session.look(|state, _, after| state.leave(*end, self.queue, turn, after));
    }
}

impl StreamConn for SimStreams {
    fn accept_stream(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async { self.accept(Kind::Bidi).await.map(|id| self.stream(id)) })
    }

    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>> {
        Box::pin(async { self.accept(Kind::Uni).await.map(|id| self.receive_half(id)) })
    }

    fn open_stream(&self) -> Result<Stream> {
        self.open(Kind::Bidi).map(|id| self.stream(id))
    }

    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async { self.open_sync(Kind::Bidi).await.map(|id| self.stream(id)) })
    }

    fn open_uni_stream(&self) -> Result<BoxSend> {
        self.open(Kind::Uni).map(|id| self.send_half(id))
    }

    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>> {
        Box::pin(async { self.open_sync(Kind::Uni).await.map(|id| self.send_half(id)) })
    }

    /// There is no handshake but the dial's.
    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn closed(&self) -> BoxFuture<'_, Error> {
        Box::pin(async {
            let end = self.handle.end;
            let look = move |state: &mut State, _, _, _: &mut After| match state.error(end) {
                Some(error) => Look::Ready(error),
                None => Look::Waits(state.end(end).life.end_at()),
            };
            self.wait(Queue::Closed, look).await
        })
    }

    fn close_with_error(&self, code: u64, reason: &[u8]) {
        // What fits into one packet.
        let reason = &reason[..reason.len().min(LONGEST_REASON)];
        self.handle.session.close(self.handle.end, code.min(LARGEST_CODE), reason);
    }

    fn version(&self) -> u32 {
        0
    }

    fn local_addr(&self) -> Addr {
        self.local.clone()
    }

    fn peer_addr(&self) -> Addr {
        self.peer.clone()
    }

    fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    fn datagrams(&self) -> Option<&dyn Datagrams> {
        self.has_datagrams.then_some(self)
    }

    fn stats(&self) -> StreamConnStats {
        self.handle.session.stats(self.handle.end)
    }
}

/// Bytes of a reason that are sent.
const LONGEST_REASON: usize = 1024;
/// What a packet carries around a datagram, in bytes.
const AROUND: usize = 40;

impl SimStreams {
    /// What one packet takes.
    fn most(config: &Config) -> usize {
        config.datagrams.size.saturating_sub(AROUND)
    }
}

impl Datagrams for SimStreams {
    fn longest(&self) -> Option<usize> {
        let Handle { session, end } = &*self.handle;
        session.look(|state, _, _| {
            let takes = state.end(end.peer()).options.datagram_queue as usize;
            let most = Self::most(&state.direction(*end).config).min(takes);
            (takes > 0).then_some(most)
        })
    }

    fn send(&self, datagram: Bytes) -> Result<()> {
        let Some(longest) = self.longest() else { return Err(ErrorKind::Unsupported.into()) };
        if datagram.len() > longest {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.handle.session.send_datagram(self.handle.end, datagram)
    }

    fn receive(&self) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(async {
            let end = self.handle.end;
            let look = move |state: &mut State, _, now, _: &mut After| state.datagram(end, now);
            self.wait(Queue::Datagram, look).await
        })
    }
}

impl fmt::Debug for SimStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStreams")
            .field("local", &self.local)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
