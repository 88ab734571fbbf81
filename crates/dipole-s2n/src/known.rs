//! What the endpoint's events tell of a connection, beyond what its calls do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::StreamConnStats;
use s2n_quic::connection::Error as ConnectionError;
use tokio::sync::watch;

/// Every path of QUIC takes packets of this size (RFC 9000 section 14).
const SMALLEST_PACKET: u16 = 1200;

/// One connection, as its events tell. The events write it, the connection and its streams read it.
#[derive(Debug)]
pub(crate) struct Known {
    windows: Mutex<Windows>,
    end: watch::Sender<Option<ConnectionError>>,
    reason: OnceLock<Bytes>,
    received: AtomicU64,
    sent: AtomicU64,
    lost_packets: AtomicU64,
    round_trip: AtomicU64,
    packet_size: AtomicU16,
}

/// What the peer allows on streams of each kind before it says more.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InitialWindows {
    /// Opened by this end, both ways.
    pub(crate) own: u64,
    /// Opened by this end, one way.
    pub(crate) own_uni: u64,
    /// Opened by the peer, both ways.
    pub(crate) peer: u64,
}

impl Known {
    /// `own` is the lowest bit of the streams that this end opens.
    pub(crate) fn new(own: u64) -> Self {
        Self {
            windows: Mutex::new(Windows::new(own)),
            end: watch::Sender::new(None),
            reason: OnceLock::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            lost_packets: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
            packet_size: AtomicU16::new(SMALLEST_PACKET),
        }
    }

    /// The window of a stream that this end sends. Streams of one kind have to come in order.
    pub(crate) fn window(&self, id: u64) -> Arc<Window> {
        self.windows().register(id)
    }

    /// The stream is gone.
    pub(crate) fn forget(&self, id: u64) {
        self.windows().streams.remove(&id);
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&self) -> Option<ConnectionError> {
        *self.end.borrow()
    }

    /// Ends when the connection has.
    pub(crate) fn end(&self) -> impl Future<Output = ConnectionError> + Send + use<> {
        let mut end = self.end.subscribe();
        async move {
            // The sender may go first, with the connection.
            let ended = end.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
            ended.unwrap_or_else(ConnectionError::unspecified)
        }
    }

    /// What the peer gave as the reason of its close.
    pub(crate) fn reason(&self) -> Bytes {
        self.reason.get().cloned().unwrap_or_default()
    }

    /// What has been counted.
    pub(crate) fn stats(&self) -> StreamConnStats {
        let mut stats = StreamConnStats::default();
        stats.received = self.received.load(Ordering::Relaxed);
        stats.sent = self.sent.load(Ordering::Relaxed);
        stats.lost_packets = self.lost_packets.load(Ordering::Relaxed);
        stats.round_trip = Duration::from_micros(self.round_trip.load(Ordering::Relaxed));
        stats
    }

    /// The longest packet that the path takes, as far as is known.
    #[cfg_attr(
        not(feature = "datagrams"),
        expect(dead_code, reason = "datagrams alone have to be no longer")
    )]
    pub(crate) fn packet_size(&self) -> usize {
        self.packet_size.load(Ordering::Relaxed).into()
    }

    pub(crate) fn begin(&self, initial: InitialWindows) {
        self.windows().initial = initial;
    }

    pub(crate) fn on_window(&self, id: u64, limit: u64) {
        self.windows().raise(id, limit);
    }

    pub(crate) fn on_stop(&self, id: u64) {
        if let Some(window) = self.windows().streams.get(&id) {
            window.wake();
        }
    }

    pub(crate) fn on_reason(&self, reason: &[u8]) {
        self.reason.get_or_init(|| Bytes::copy_from_slice(reason));
    }

    pub(crate) fn on_end(&self, error: ConnectionError) {
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            end.get_or_insert(error);
            is_first
        });
        for window in self.windows().streams.values() {
            window.wake();
        }
    }

    pub(crate) fn on_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn on_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn on_lost(&self) {
        self.lost_packets.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn on_round_trip(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trip.store(micros, Ordering::Relaxed);
    }

    pub(crate) fn on_packet_size(&self, size: u16) {
        self.packet_size.store(size, Ordering::Relaxed);
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The windows of all streams that this end sends.
#[derive(Debug)]
struct Windows {
    own: u64,
    initial: InitialWindows,
    streams: BTreeMap<u64, Arc<Window>>,
    /// Of streams that the peer has raised before this end had a look at them: no more than it may
    /// open, for s2n-quic ends a connection that goes beyond.
    early: BTreeMap<u64, u64>,
    /// The lowest that was not registered yet, of each of the four kinds.
    next: [u64; 4],
}

impl Windows {
    fn new(own: u64) -> Self {
        Self {
            own,
            initial: InitialWindows::default(),
            streams: BTreeMap::new(),
            early: BTreeMap::new(),
            next: [0, 1, 2, 3],
        }
    }

    fn register(&mut self, id: u64) -> Arc<Window> {
        let initial = match (id & 1 == self.own, id & 2 == 0) {
            (true, true) => self.initial.own,
            (true, false) => self.initial.own_uni,
            (false, _) => self.initial.peer,
        };
        let raised = self.early.remove(&id).unwrap_or(0);
        let next = &mut self.next[kind(id)];
        *next = (*next).max(id + 4);
        let window = Arc::new(Window::new(initial.max(raised)));
        self.streams.insert(id, Arc::clone(&window));
        window
    }

    fn raise(&mut self, id: u64, limit: u64) {
        if let Some(window) = self.streams.get(&id) {
            window.raise(limit);
        } else if id >= self.next[kind(id)] {
            let early = self.early.entry(id).or_default();
            *early = (*early).max(limit);
        }
    }
}

fn kind(id: u64) -> usize {
    (id & 3) as usize
}

/// How far the peer lets one stream go.
#[derive(Debug)]
pub(crate) struct Window {
    state: Mutex<WindowState>,
}

#[derive(Debug)]
struct WindowState {
    limit: u64,
    writing: Option<Waker>,
    stopping: Option<Waker>,
}

impl Window {
    fn new(limit: u64) -> Self {
        Self { state: Mutex::new(WindowState { limit, writing: None, stopping: None }) }
    }

    /// How many bytes may follow the first `sent`.
    pub(crate) fn room(&self, sent: u64) -> u64 {
        self.state().limit.saturating_sub(sent)
    }

    /// Ready with how many bytes may follow the first `sent`; pending while there are none.
    pub(crate) fn poll_room(&self, cx: &Context<'_>, sent: u64) -> Poll<u64> {
        let mut state = self.state();
        match state.limit.saturating_sub(sent) {
            0 => {
                state.writing = Some(cx.waker().clone());
                Poll::Pending
            }
            room => Poll::Ready(room),
        }
    }

    /// Wakes when the peer stops the stream or the connection ends.
    pub(crate) fn watch(&self, cx: &Context<'_>) {
        self.state().stopping = Some(cx.waker().clone());
    }

    fn raise(&self, limit: u64) {
        let mut state = self.state();
        state.limit = state.limit.max(limit);
        if let Some(waker) = state.writing.take() {
            drop(state);
            waker.wake();
        }
    }

    /// Has everybody look again.
    fn wake(&self) {
        let mut state = self.state();
        let wakers = [state.writing.take(), state.stopping.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, WindowState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(window: &Window, sent: u64) -> Option<u64> {
        match window.poll_room(&Context::from_waker(Waker::noop()), sent) {
            Poll::Ready(room) => Some(room),
            Poll::Pending => None,
        }
    }

    #[test]
    fn each_kind_of_stream_begins_with_its_own_window() {
        let server = Known::new(1);
        server.begin(InitialWindows { own: 10, own_uni: 20, peer: 30 });
        for (id, limit) in [(0, 30), (1, 10), (3, 20)] {
            assert_eq!(room(&server.window(id), 0), Some(limit), "stream {id}");
        }
    }

    #[test]
    fn a_window_only_grows_and_none_is_left_at_its_end() {
        let known = Known::new(0);
        known.begin(InitialWindows { own: 10, own_uni: 0, peer: 0 });
        let window = known.window(0);
        assert_eq!(room(&window, 10), None);
        known.on_window(0, 15);
        known.on_window(0, 12);
        assert_eq!(room(&window, 10), Some(5));
    }

    #[test]
    fn a_window_raised_before_its_stream_is_taken_is_not_lost_and_one_of_a_past_stream_not_kept() {
        let known = Known::new(0);
        known.on_window(1, 7);
        assert_eq!(room(&known.window(1), 0), Some(7));
        known.forget(1);
        known.on_window(1, 9);
        assert!(known.windows().early.is_empty());
        assert!(known.windows().streams.is_empty());
    }
}
