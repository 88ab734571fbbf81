//! A connection of streams.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use dipole_io::Turnstile;
use dipole_net::{
    Addr, BoxFuture, BoxReceive, BoxSend, Error, ErrorKind, Initiator, Result, Stream, StreamConn,
    StreamConnStats, StreamOptions, TlsInfo,
};
use s2n_quic::connection::{Error as ConnectionError, Handle};
use s2n_quic::stream::{BidirectionalStream, SendStream};

use crate::arrivals::Arrivals;
use crate::config::VERSION;
use crate::error::{application_code, connection_error};
use crate::receive::S2nReceive;
use crate::send::S2nSend;

/// A connection on s2n-quic.
pub(crate) struct S2nConn {
    shared: Arc<Shared>,
    arrivals: Arrivals,
    local: SocketAddr,
    tls: TlsInfo,
    openers: Turnstile,
    uni_openers: Turnstile,
}

/// What the connection and its streams have in common; the connection is closed with the last.
pub(crate) struct Shared {
    handle: Handle,
    closed_here: OnceLock<Error>,
    ended: OnceLock<Error>,
    /// The last that is known.
    peer: Mutex<Option<SocketAddr>>,
}

impl Shared {
    /// s2n-quic's error in the contract's words; the first one is the connection's for good.
    pub(crate) fn error(&self, error: ConnectionError) -> Error {
        self.ended.get_or_init(|| connection_error(error, self.closed_here.get())).clone()
    }
}

impl Shared {
    /// Why the connection has ended, where whoever accepts is told only that it has: opening says
    /// more.
    pub(crate) fn why(&self) -> Error {
        let mut handle = self.handle.clone();
        match handle.poll_open_send_stream(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => self.error(error),
            _ => self.closed_here.get().cloned().unwrap_or_else(|| ErrorKind::Closed.into()),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.handle.close(application_code(0));
    }
}

impl S2nConn {
    pub(crate) fn new(
        conn: s2n_quic::Connection,
        bound: SocketAddr,
        options: &StreamOptions,
    ) -> Self {
        let (mut handle, acceptor) = conn.split();
        if options.keep_alive.is_some() {
            // Refused when the connection has ended already, as the first call will tell.
            _ = handle.keep_alive(true);
        }
        let local = match handle.local_addr() {
            Ok(local) if !local.ip().is_unspecified() => local,
            _ => bound,
        };
        let mut tls = TlsInfo::default();
        tls.version = "TLSv1.3".into();
        tls.alpn = handle.application_protocol().ok().filter(|alpn| !alpn.is_empty());
        tls.server_name = handle
            .server_name()
            .ok()
            .flatten()
            .map(|name| String::from_utf8_lossy(name.as_bytes()).into());
        let shared = Arc::new(Shared {
            peer: Mutex::new(handle.remote_addr().ok()),
            handle,
            closed_here: OnceLock::new(),
            ended: OnceLock::new(),
        });
        let arrivals = Arrivals::start(acceptor, &shared);
        let (openers, uni_openers) = (Turnstile::default(), Turnstile::default());
        Self { shared, arrivals, local, tls, openers, uni_openers }
    }

    /// Polls with a handle of the call's own: each has one place in s2n-quic's queue.
    fn opening<T>(
        &self,
        poll: impl Fn(&mut Handle, &mut Context<'_>) -> Poll<Result<T, ConnectionError>>,
    ) -> impl Future<Output = Result<T, ConnectionError>> {
        let mut handle = self.shared.handle.clone();
        std::future::poll_fn(move |cx| poll(&mut handle, cx))
    }

    fn stream(&self, stream: BidirectionalStream) -> Stream {
        let (receive, send) = stream.split();
        let shared = &self.shared;
        Stream {
            send: Box::new(S2nSend::new(send, Arc::clone(shared))),
            receive: Box::new(S2nReceive::new(receive, Some(Arc::clone(shared)))),
        }
    }

    fn uni_stream(&self, send: SendStream) -> BoxSend {
        Box::new(S2nSend::new(send, Arc::clone(&self.shared)))
    }

    async fn open<T>(
        &self,
        openers: &Turnstile,
        poll: impl Fn(&mut Handle, &mut Context<'_>) -> Poll<Result<T, ConnectionError>> + Copy,
    ) -> Result<T> {
        let opened = match at_once(openers, self.opening(poll)) {
            Some(opened) => opened,
            None => openers.pass(self.opening(poll)).await,
        };
        opened.map_err(|error| self.shared.error(error))
    }

    fn open_now<T>(
        &self,
        openers: &Turnstile,
        poll: impl Fn(&mut Handle, &mut Context<'_>) -> Poll<Result<T, ConnectionError>>,
    ) -> Result<T> {
        match at_once(openers, self.opening(poll)) {
            Some(opened) => opened.map_err(|error| self.shared.error(error)),
            None => Err(self.arrivals.ended().unwrap_or_else(|| ErrorKind::StreamLimit.into())),
        }
    }
}

/// What is there without waiting, and without pushing in front of those that wait.
fn at_once<T>(
    openers: &Turnstile,
    open: impl Future<Output = Result<T, ConnectionError>>,
) -> Option<Result<T, ConnectionError>> {
    if !openers.is_free() {
        return None;
    }
    match std::pin::pin!(open).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(opened) => Some(opened),
        Poll::Pending => None,
    }
}

fn poll_bidi(
    handle: &mut Handle,
    cx: &mut Context<'_>,
) -> Poll<Result<BidirectionalStream, ConnectionError>> {
    handle.poll_open_bidirectional_stream(cx)
}

fn poll_uni(
    handle: &mut Handle,
    cx: &mut Context<'_>,
) -> Poll<Result<SendStream, ConnectionError>> {
    handle.poll_open_send_stream(cx)
}

impl StreamConn for S2nConn {
    fn accept_stream(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            let (send, mut receive) = self.arrivals.next().await?;
            receive.hold(Arc::clone(&self.shared));
            let send = S2nSend::new(send, Arc::clone(&self.shared));
            Ok(Stream { send: Box::new(send), receive: Box::new(receive) })
        })
    }

    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>> {
        Box::pin(async {
            let mut receive = self.arrivals.next_uni().await?;
            receive.hold(Arc::clone(&self.shared));
            Ok(Box::new(receive) as BoxReceive)
        })
    }

    fn open_stream(&self) -> Result<Stream> {
        self.open_now(&self.openers, poll_bidi).map(|stream| self.stream(stream))
    }

    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            self.open(&self.openers, poll_bidi).await.map(|stream| self.stream(stream))
        })
    }

    fn open_uni_stream(&self) -> Result<BoxSend> {
        self.open_now(&self.uni_openers, poll_uni).map(|send| self.uni_stream(send))
    }

    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>> {
        Box::pin(async {
            self.open(&self.uni_openers, poll_uni).await.map(|send| self.uni_stream(send))
        })
    }

    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>> {
        // s2n-quic gives a connection only once its handshake has ended well.
        Box::pin(std::future::ready(Ok(())))
    }

    fn closed(&self) -> BoxFuture<'_, Error> {
        Box::pin(self.arrivals.end())
    }

    fn close_with_error(&self, code: u64, reason: &[u8]) {
        if self.arrivals.ended().is_some() {
            return;
        }
        let code = application_code(code);
        self.shared.closed_here.get_or_init(|| {
            Error::new(ErrorKind::Application {
                code: u64::from(code),
                reason: Bytes::copy_from_slice(reason),
                by: Initiator::Local,
            })
        });
        self.shared.handle.close(code);
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn local_addr(&self) -> Addr {
        Addr::Ip(self.local)
    }

    fn peer_addr(&self) -> Addr {
        let mut known = self.shared.peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(peer) = self.shared.handle.remote_addr() {
            *known = Some(peer);
        }
        known.map_or(Addr::Unnamed, Addr::Ip)
    }

    fn tls(&self) -> Option<&TlsInfo> {
        Some(&self.tls)
    }

    fn stats(&self) -> StreamConnStats {
        // s2n-quic tells them to subscribers of events only.
        StreamConnStats::default()
    }
}
