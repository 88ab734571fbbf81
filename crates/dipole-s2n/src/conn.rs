//! A connection of streams.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_net::{
    Addr, BoxFuture, BoxReceive, BoxSend, Datagrams, Error, ErrorKind, Initiator, Result, Stream,
    StreamConn, StreamConnStats, StreamOptions, TlsInfo,
};
use s2n_quic::connection::{
    BidirectionalStreamAcceptor, Error as ConnectionError, Handle, ReceiveStreamAcceptor,
};
use s2n_quic::stream::{BidirectionalStream, SendStream};

use crate::arrivals::Arrivals;
use crate::config::VERSION;
use crate::datagrams::DatagramQueues;
use crate::error::{application_code, connection_error};
use crate::events::ConnectionEvents;
use crate::known::Known;
use crate::opener::Opener;
use crate::receive::S2nReceive;
use crate::send::S2nSend;

/// A connection on s2n-quic.
pub(crate) struct S2nConn {
    shared: Arc<Shared>,
    streams: Arrivals<BidirectionalStreamAcceptor, (S2nSend, S2nReceive)>,
    uni_streams: Arrivals<ReceiveStreamAcceptor, S2nReceive>,
    openers: Opener,
    uni_openers: Opener,
    datagrams: Option<DatagramQueues>,
    local: SocketAddr,
    tls: TlsInfo,
}

/// What the connection and its streams have in common; the connection is closed with the last.
pub(crate) struct Shared {
    handle: Handle,
    known: Arc<Known>,
    closed_here: OnceLock<Error>,
    ended: OnceLock<Error>,
    /// The last that is known.
    peer: Mutex<Option<SocketAddr>>,
}

impl Shared {
    /// What the endpoint's events tell of it.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// s2n-quic's error in the contract's words; the first one is the connection's for good.
    pub(crate) fn error(&self, error: ConnectionError) -> Error {
        let words = || connection_error(error, self.closed_here.get(), self.known.reason());
        self.ended.get_or_init(words).clone()
    }

    /// Why the connection has ended, where whoever accepts is told only that it has.
    pub(crate) fn why(&self) -> Error {
        match self.known.ended() {
            Some(error) => self.error(error),
            None => self.closed_here.get().cloned().unwrap_or_else(|| ErrorKind::Closed.into()),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.handle.close(application_code(0));
    }
}

impl S2nConn {
    /// `bound` is this end's address unless s2n-quic knows better.
    pub(crate) fn new(
        conn: s2n_quic::Connection,
        bound: SocketAddr,
        options: &StreamOptions,
    ) -> Result<Self> {
        let (mut handle, acceptor) = conn.split();
        let known = handle
            .query_event_context(|events: &ConnectionEvents| Arc::clone(&events.known))
            .map_err(|error| Error::with_message(ErrorKind::Closed, error.to_string()))?;
        if options.keep_alive.is_some() {
            // Refused when the connection has ended already, as the first call will tell.
            _ = handle.keep_alive(true);
        }
        let local = match handle.local_addr() {
            Ok(local) if !local.ip().is_unspecified() => local,
            _ => bound,
        };
        let (streams, uni_streams) = acceptor.split();
        let shared = Arc::new(Shared {
            peer: Mutex::new(handle.remote_addr().ok()),
            handle: handle.clone(),
            known,
            closed_here: OnceLock::new(),
            ended: OnceLock::new(),
        });
        Ok(Self {
            streams: Arrivals::new(streams),
            uni_streams: Arrivals::new(uni_streams),
            openers: Opener::new(handle.clone()),
            uni_openers: Opener::new(handle.clone()),
            datagrams: DatagramQueues::of(&handle, &shared, options),
            local,
            tls: tls_info(&handle),
            shared,
        })
    }

    fn halves(&self, stream: BidirectionalStream) -> (S2nSend, S2nReceive) {
        let (receive, send) = stream.split();
        let receive = S2nReceive::new(receive, Arc::clone(&self.shared));
        (S2nSend::new(send, Arc::clone(&self.shared)), receive)
    }

    fn stream(&self, stream: BidirectionalStream) -> Stream {
        boxed(self.halves(stream))
    }

    fn uni_stream(&self, send: SendStream) -> BoxSend {
        Box::new(S2nSend::new(send, Arc::clone(&self.shared)))
    }

    /// What was opened without waiting, or why nothing was.
    fn opened<T>(&self, opened: Option<Result<T, ConnectionError>>) -> Result<T> {
        match opened {
            Some(opened) => opened.map_err(|error| self.shared.error(error)),
            None => Err(match self.shared.known.ended() {
                Some(error) => self.shared.error(error),
                None => ErrorKind::StreamLimit.into(),
            }),
        }
    }
}

fn boxed((send, receive): (S2nSend, S2nReceive)) -> Stream {
    Stream { send: Box::new(send), receive: Box::new(receive) }
}

fn tls_info(handle: &Handle) -> TlsInfo {
    let mut tls = TlsInfo::default();
    tls.version = "TLSv1.3".into();
    tls.alpn = handle.application_protocol().ok().filter(|alpn| !alpn.is_empty());
    tls.server_name = handle
        .server_name()
        .ok()
        .flatten()
        .map(|name| String::from_utf8_lossy(name.as_bytes()).into());
    tls
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
            let accept = |acceptor: &mut BidirectionalStreamAcceptor, cx: &mut Context<'_>| {
                let accepted = acceptor.poll_accept_bidirectional_stream(cx);
                accepted.map_ok(|stream| stream.map(|stream| self.halves(stream)))
            };
            self.streams.next(&self.shared, accept).await.map(boxed)
        })
    }

    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>> {
        Box::pin(async {
            let accept = |acceptor: &mut ReceiveStreamAcceptor, cx: &mut Context<'_>| {
                let accepted = acceptor.poll_accept_receive_stream(cx);
                accepted.map_ok(|stream| {
                    stream.map(|stream| S2nReceive::new(stream, Arc::clone(&self.shared)))
                })
            };
            let receive = self.uni_streams.next(&self.shared, accept).await?;
            Ok(Box::new(receive) as BoxReceive)
        })
    }

    fn open_stream(&self) -> Result<Stream> {
        self.opened(self.openers.now(poll_bidi, |stream| self.stream(stream)))
    }

    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            let opened = self.openers.wait(poll_bidi, |stream| self.stream(stream)).await;
            self.opened(Some(opened))
        })
    }

    fn open_uni_stream(&self) -> Result<BoxSend> {
        self.opened(self.uni_openers.now(poll_uni, |send| self.uni_stream(send)))
    }

    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>> {
        Box::pin(async {
            let opened = self.uni_openers.wait(poll_uni, |send| self.uni_stream(send)).await;
            self.opened(Some(opened))
        })
    }

    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>> {
        // s2n-quic gives a connection only once its handshake has ended well.
        Box::pin(std::future::ready(Ok(())))
    }

    fn closed(&self) -> BoxFuture<'_, Error> {
        Box::pin(async {
            let error = self.shared.known.end().await;
            self.shared.error(error)
        })
    }

    fn close_with_error(&self, code: u64, reason: &[u8]) {
        if self.shared.known.ended().is_some() {
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

    fn datagrams(&self) -> Option<&dyn Datagrams> {
        self.datagrams.as_ref().map(|queues| queues as &dyn Datagrams)
    }

    fn stats(&self) -> StreamConnStats {
        self.shared.known.stats()
    }
}
