//! A connection of streams.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dipole_io::Turnstile;
use dipole_net::{
    Addr, BoxFuture, BoxReceive, BoxSend, Datagrams, Error, ErrorKind, Initiator, Result, Stream,
    StreamConn, StreamConnStats, StreamOptions, TlsInfo,
};
use quinn::{ConnectionError, SendDatagramError};

use crate::arrivals::Arrivals;
use crate::config::VERSION;
use crate::congestion::let_close_through;
use crate::error::{connection_error, varint};
use crate::handshake::Handshake;
use crate::receive::QuinnReceive;
use crate::send::QuinnSend;

/// A connection on quinn.
pub(crate) struct QuinnConn {
    inner: quinn::Connection,
    local: SocketAddr,
    /// `None` when it was over before there was a connection.
    handshake: Option<Arc<Handshake>>,
    /// On the heap, and once it is asked for: idle connections are many, and servers seldom ask.
    tls: OnceLock<Box<TlsInfo>>,
    ending: Arc<Ending>,
    has_datagrams: bool,
    streams: Arrivals<quinn::SendStream>,
    uni_streams: Arrivals<()>,
    openers: Turnstile,
    uni_openers: Turnstile,
}

/// What this end closed the connection with, for it and all its streams.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    closed_here: OnceLock<Error>,
}

impl Ending {
    /// quinn's error in the contract's words.
    pub(crate) fn error(&self, error: ConnectionError) -> Error {
        connection_error(error, self.closed_here.get())
    }
}

impl QuinnConn {
    pub(crate) fn new(
        inner: quinn::Connection,
        local: SocketAddr,
        handshake: Option<Handshake>,
        options: StreamOptions,
    ) -> Self {
        let handshake = handshake.map(Arc::new);
        Self {
            inner,
            local,
            tls: OnceLock::new(),
            ending: Arc::default(),
            has_datagrams: options.datagram_queue > 0,
            streams: Arrivals::new(handshake.clone()),
            uni_streams: Arrivals::new(handshake.clone()),
            handshake,
            openers: Turnstile::default(),
            uni_openers: Turnstile::default(),
        }
    }

    fn stream(&self, send: quinn::SendStream, receive: QuinnReceive) -> Stream {
        let send = Box::new(QuinnSend::new(send, Arc::clone(&self.ending)));
        Stream { send, receive: Box::new(receive) }
    }

    fn opened(&self, (send, receive): (quinn::SendStream, quinn::RecvStream)) -> Stream {
        self.stream(send, QuinnReceive::new(receive, Arc::clone(&self.ending), false))
    }

    fn opened_uni(&self, send: quinn::SendStream) -> BoxSend {
        Box::new(QuinnSend::new(send, Arc::clone(&self.ending)))
    }
}

impl StreamConn for QuinnConn {
    fn accept_stream(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            let accept = || async {
                let (send, receive) = self.inner.accept_bi().await?;
                Ok((send, receive))
            };
            let (send, receive) = self.streams.next(accept, &self.ending).await?;
            Ok(self.stream(send, receive))
        })
    }

    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>> {
        Box::pin(async {
            let accept = || async { Ok(((), self.inner.accept_uni().await?)) };
            let ((), receive) = self.uni_streams.next(accept, &self.ending).await?;
            Ok(Box::new(receive) as BoxReceive)
        })
    }

    fn open_stream(&self) -> Result<Stream> {
        match self.openers.at_once(self.inner.open_bi()) {
            Some(opened) => {
                opened.map(|halves| self.opened(halves)).map_err(|error| self.ending.error(error))
            }
            None => Err(self.limit_or_end()),
        }
    }

    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>> {
        Box::pin(async {
            let opened = match self.openers.at_once(self.inner.open_bi()) {
                Some(opened) => opened,
                None => self.openers.pass(self.inner.open_bi()).await,
            };
            opened.map(|halves| self.opened(halves)).map_err(|error| self.ending.error(error))
        })
    }

    fn open_uni_stream(&self) -> Result<BoxSend> {
        match self.uni_openers.at_once(self.inner.open_uni()) {
            Some(opened) => {
                opened.map(|send| self.opened_uni(send)).map_err(|error| self.ending.error(error))
            }
            None => Err(self.limit_or_end()),
        }
    }

    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>> {
        Box::pin(async {
            let opened = match self.uni_openers.at_once(self.inner.open_uni()) {
                Some(opened) => opened,
                None => self.uni_openers.pass(self.inner.open_uni()).await,
            };
            opened.map(|send| self.opened_uni(send)).map_err(|error| self.ending.error(error))
        })
    }

    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            if let Some(handshake) = &self.handshake
                && let Err(late) = handshake.over().await
            {
                let_close_through(&self.inner);
                self.inner.close(varint(0), b"");
                return Err(late);
            }
            match self.inner.close_reason() {
                Some(error) if self.tls().is_none() => Err(self.ending.error(error)),
                _ => Ok(()),
            }
        })
    }

    fn closed(&self) -> BoxFuture<'_, Error> {
        Box::pin(async { self.ending.error(self.inner.closed().await) })
    }

    fn close_with_error(&self, code: u64, reason: &[u8]) {
        // quinn would take a close after the peer's for the one that counts.
        if self.inner.close_reason().is_some() {
            return;
        }
        let code = varint(code);
        self.ending.closed_here.get_or_init(|| {
            Error::new(ErrorKind::Application {
                code: code.into_inner(),
                reason: Bytes::copy_from_slice(reason),
                by: Initiator::Local,
            })
        });
        let_close_through(&self.inner);
        self.inner.close(code, reason);
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn local_addr(&self) -> Addr {
        Addr::Ip(self.local)
    }

    fn peer_addr(&self) -> Addr {
        Addr::Ip(self.inner.remote_address())
    }

    fn tls(&self) -> Option<&TlsInfo> {
        let is_over = self.handshake.as_ref().is_none_or(|handshake| handshake.is_over());
        if self.tls.get().is_none() && is_over {
            let info = tls_info(&self.inner)?;
            return Some(self.tls.get_or_init(|| Box::new(info)));
        }
        self.tls.get().map(|info| &**info)
    }

    fn datagrams(&self) -> Option<&dyn Datagrams> {
        self.has_datagrams.then_some(self)
    }

    fn stats(&self) -> StreamConnStats {
        let stats = self.inner.stats();
        let mut ours = StreamConnStats::default();
        ours.received = stats.udp_rx.bytes;
        ours.sent = stats.udp_tx.bytes;
        ours.lost_packets = stats.path.lost_packets;
        ours.round_trip = stats.path.rtt;
        ours
    }
}

impl QuinnConn {
    /// Why nothing could be opened at once.
    fn limit_or_end(&self) -> Error {
        match self.inner.close_reason() {
            Some(error) => self.ending.error(error),
            None => ErrorKind::StreamLimit.into(),
        }
    }
}

impl Datagrams for QuinnConn {
    fn longest(&self) -> Option<usize> {
        self.inner.max_datagram_size()
    }

    fn send(&self, datagram: Bytes) -> Result<()> {
        self.inner.send_datagram(datagram).map_err(|error| match error {
            SendDatagramError::TooLarge => ErrorKind::InvalidInput.into(),
            SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => {
                ErrorKind::Unsupported.into()
            }
            SendDatagramError::ConnectionLost(error) => self.ending.error(error),
        })
    }

    fn receive(&self) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(async {
            self.inner.read_datagram().await.map_err(|error| self.ending.error(error))
        })
    }
}

/// What the handshake found; quinn does not tell the cipher suite.
fn tls_info(conn: &quinn::Connection) -> Option<TlsInfo> {
    let found = conn.handshake_data()?.downcast::<quinn::crypto::rustls::HandshakeData>().ok()?;
    let certificates = conn.peer_identity().and_then(|identity| {
        identity.downcast::<Vec<rustls::pki_types::CertificateDer<'_>>>().ok()
    });
    let mut info = TlsInfo::default();
    info.alpn = found.protocol.map(Bytes::from);
    info.server_name = found.server_name;
    info.version = "TLSv1.3".into();
    info.peer_certificates = certificates
        .into_iter()
        .flat_map(|certificates| *certificates)
        .map(|certificate| Bytes::copy_from_slice(&certificate))
        .collect();
    Some(info)
}
