//! A connection that is secured.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use dipole_io::{BufferPool, Half, Input, Output};
use dipole_net::{Addr, Closer, Conn, ConnStats, Error, ErrorKind, Result, Side, TlsInfo};

use crate::farewell::farewell;
use crate::fault;
use crate::sealer::Sealer;
use crate::session::{Session, Standing};

/// TLS over another connection.
///
/// Plain bytes are held here until the next flush encrypts them into the connection below; records
/// are decrypted from what the connection below has buffered, one at a time and only as many as
/// are asked for. So an idle connection holds no buffer, here or below.
pub(crate) struct TlsConn {
    /// `None` after this side's own close.
    lower: Option<Box<dyn Conn>>,
    session: Session,
    info: Arc<TlsInfo>,
    input: Input,
    output: Output,
    read: Half,
    write: Half,
    /// Who waits for a flush, to be woken when a read ends both halves.
    flushing: Option<Waker>,
    ending: Ending,
    /// True as long as nothing but the handshake's last messages is queued below.
    is_unsent: bool,
    closer: Option<Closer>,
    /// The two addresses, this side's first, once the connection below is no more.
    addresses: Option<Box<[Addr; 2]>>,
    /// Plain bytes, since the connection began.
    opened: u64,
    sealed: u64,
}

/// How far this side's end has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It has not begun.
    NotYet,
    /// `close_notify` is queued below.
    Said,
    /// The direction has ended.
    Done,
}

impl TlsConn {
    /// A connection whose handshake is done; `input` holds what came with it. What is queued on
    /// `lower` by then leaves with the first bytes, or once a read has to wait.
    pub(crate) fn new(
        mut lower: Box<dyn Conn>,
        session: Session,
        info: Arc<TlsInfo>,
        input: Input,
        pool: &BufferPool,
        standing: Standing,
    ) -> Self {
        // The timeouts of an operation are this connection's: one may take many of those below.
        lower.set_read_timeout(None);
        lower.set_write_timeout(None);
        let mut read = Half::default();
        if standing == Standing::PeerEnded {
            read.fail(ErrorKind::Eof.into());
        }
        Self {
            session,
            info,
            opened: input.len() as u64,
            input,
            output: Output::new(pool),
            read,
            write: Half::default(),
            flushing: None,
            ending: Ending::NotYet,
            is_unsent: lower.queued() > 0,
            closer: None,
            addresses: None,
            sealed: 0,
            lower: Some(lower),
        }
    }

    /// Bytes of this connection's owner that are queued below, in records.
    fn sealed_and_unsent(&self) -> usize {
        match &self.lower {
            Some(lower) if !self.is_unsent => lower.queued(),
            _ => 0,
        }
    }

    fn is_closed_elsewhere(&self) -> bool {
        self.closer.as_ref().is_some_and(Closer::is_closed)
    }

    /// Decrypts the next record, if it is whole; otherwise waits for the rest of it.
    fn poll_record(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(lower) = &mut self.lower else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let held = self.input.len();
        let opened = self.session.open_next(&mut **lower, &mut self.input);
        self.opened += (self.input.len() - held) as u64;
        match opened {
            Ok(Some(Standing::PeerEnded)) => Poll::Ready(Err(ErrorKind::Eof.into())),
            Ok(Some(_)) => Poll::Ready(Ok(())),
            Ok(None) => {
                let wanted = Session::wanted(lower.buffered());
                let filled = lower.poll_fill(cx, wanted);
                if filled.is_pending() && self.is_unsent {
                    // Whoever writes next is told of an error.
                    self.is_unsent = lower.poll_flush(cx).is_pending();
                }
                match ready!(filled) {
                    Ok(()) => Poll::Ready(Ok(())),
                    // The peer may still read what is written, as after an end in order.
                    Err(error) if error.is_eof() => Poll::Ready(Err(fault::truncated())),
                    Err(error) => {
                        if error.is_closed() {
                            self.fail_write(error.clone());
                        }
                        Poll::Ready(Err(error))
                    }
                }
            }
            Err(error) => {
                let error = fault::error(error);
                // The alert leaves with it, if it can at once.
                self.fail_write(error.clone());
                Poll::Ready(Err(error))
            }
        }
    }

    /// The timeout of a read that waits.
    fn poll_read_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        ready!(self.read.poll_elapsed(cx));
        self.abandon(Side::Read);
        Poll::Ready(ErrorKind::TimedOut.into())
    }

    fn fail_write(&mut self, error: Error) -> Error {
        self.output.clear();
        if let Some(lower) = &mut self.lower {
            drop_queued(&mut **lower);
        }
        if let Some(flushing) = self.flushing.take() {
            flushing.wake();
        }
        self.write.fail(error)
    }

    /// Encrypts and sends what is queued.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let lower = ready!(self.poll_sealed(cx))?;
        let flushed = lower.poll_flush(cx);
        if self.is_unsent {
            // Nothing of the owner's: there is nothing to wait for.
            self.is_unsent = flushed.is_pending();
            return if self.is_unsent { Poll::Ready(Ok(())) } else { flushed };
        }
        flushed
    }

    /// Encrypts what is queued, as fast as the connection below takes it, and gives that.
    fn poll_sealed(&mut self, cx: &mut Context<'_>) -> Poll<Result<&mut dyn Conn>> {
        if self.is_closed_elsewhere() {
            self.close();
        }
        let Some(lower) = &mut self.lower else {
            self.output.clear();
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        if let Some(error) = self.write.over() {
            self.output.clear();
            return Poll::Ready(Err(error.clone()));
        }
        if self.output.queued() > 0 {
            self.is_unsent = false;
            let mut sealer = Sealer { session: &mut self.session, lower: &mut **lower };
            ready!(self.output.poll_write(&mut sealer, cx, &mut self.sealed))?;
        }
        Poll::Ready(Ok(&mut **lower))
    }

    /// Ends a poll of the write side: with its timeout, its error, or its success.
    fn finish_write(&mut self, cx: &mut Context<'_>, polled: Poll<Result<()>>) -> Poll<Result<()>> {
        let error = match polled {
            Poll::Ready(Ok(())) => {
                self.write.end();
                self.flushing = None;
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(error)) => error,
            Poll::Pending => {
                match &mut self.flushing {
                    Some(known) => known.clone_from(cx.waker()),
                    None => self.flushing = Some(cx.waker().clone()),
                }
                ready!(self.write.poll_elapsed(cx));
                self.abandon(Side::Write);
                ErrorKind::TimedOut.into()
            }
        };
        if self.lower.is_none() {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        Poll::Ready(Err(self.fail_write(error)))
    }

    /// `close_notify`, in one go with what is queued; then the end below where it has half-close.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_sealed(cx))?;
        let Some(lower) = &mut self.lower else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        if self.ending == Ending::NotYet {
            self.session.end(&mut **lower).map_err(fault::error)?;
            self.ending = Ending::Said;
            self.is_unsent = false;
        }
        // Which flushes first, and may send both in one packet.
        match ready!(lower.poll_shutdown(cx)) {
            Err(error) if *error.kind() == ErrorKind::Unsupported => lower.poll_flush(cx),
            other => Poll::Ready(other),
        }
    }

    /// True when what was sent is all that was written: only then may the peer see an end in order.
    fn may_say_farewell(&self) -> bool {
        self.ending == Ending::NotYet && self.write.over().is_none() && self.output.queued() == 0
    }

    /// Ends the connection below, with `close_notify` where it may be said.
    fn part(&mut self) {
        let may_say_farewell = self.may_say_farewell();
        let Some(mut lower) = self.lower.take() else { return };
        self.input.clear();
        self.output.clear();
        self.read.end();
        self.write.end();
        let is_sent = self.is_unsent || lower.queued() == 0;
        if may_say_farewell && is_sent && self.session.end(&mut *lower).is_ok() {
            farewell(lower, self.session.unread());
        } else {
            lower.close();
        }
    }

    /// An address of the connection below, which stays when that is gone (B51).
    fn address(&self, number: usize, of: impl Fn(&dyn Conn) -> Addr) -> Addr {
        match (&self.lower, &self.addresses) {
            (Some(lower), _) => of(&**lower),
            (None, Some(addresses)) => addresses[number].clone(),
            (None, None) => unreachable!("whoever closes it keeps them"),
        }
    }
}

/// Ends the write side of `lower`, and frees what is queued there (B39): a flush that may not wait
/// fails for good.
fn drop_queued(lower: &mut dyn Conn) {
    if lower.queued() > 0 {
        lower.abandon(Side::Write);
        lower.set_write_timeout(Some(Duration::ZERO));
        // The first poll may be the last look at what the network has taken, as on io_uring.
        let mut cx = Context::from_waker(Waker::noop());
        let _ = lower.poll_flush(&mut cx).is_pending() && lower.poll_flush(&mut cx).is_pending();
    }
}

impl Conn for TlsConn {
    fn len(&self) -> usize {
        self.input.len()
    }

    fn buffered(&self) -> &[u8] {
        self.input.buffered()
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        if self.is_closed_elsewhere() {
            self.close();
        }
        if self.lower.is_none() {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        while self.input.len() < n {
            if let Some(error) = self.read.over() {
                return Poll::Ready(Err(error.clone()));
            }
            match self.poll_record(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.read.fail(error))),
                Poll::Pending => return self.poll_read_timeout(cx).map(Err),
            }
        }
        self.read.end();
        Poll::Ready(Ok(()))
    }

    fn skip(&mut self, n: usize) -> Result<()> {
        if self.lower.is_none() {
            return Err(ErrorKind::Closed.into());
        }
        self.input.skip(n)
    }

    fn split(&mut self, n: usize) -> Result<Bytes> {
        if self.lower.is_none() {
            return Err(ErrorKind::Closed.into());
        }
        self.input.split(n)
    }

    fn release(&mut self) {
        self.input.release();
        if let Some(lower) = &mut self.lower {
            lower.release();
        }
    }

    fn malloc(&mut self, n: usize) -> &mut [u8] {
        self.output.borrow_from(&mut self.input);
        self.output.malloc(n)
    }

    fn write_slice(&mut self, data: &[u8]) {
        self.output.borrow_from(&mut self.input);
        self.output.write_slice(data);
    }

    fn write_binary(&mut self, data: Bytes) {
        self.output.write_binary(data);
    }

    fn queued(&self) -> usize {
        self.output.queued() + self.sealed_and_unsent()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.poll_sent(cx);
        self.finish_write(cx, polled)
    }

    /// RFC 8446 section 6.1: `close_notify` ends this direction alone. A peer that speaks TLS 1.2
    /// may end the other one, too (RFC 5246 section 7.2.1).
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.ending == Ending::Done && self.lower.is_some() {
            return Poll::Ready(Ok(()));
        }
        let polled = self.poll_ended(cx);
        let finished = self.finish_write(cx, polled);
        if let Poll::Ready(Ok(())) = finished {
            self.ending = Ending::Done;
            self.write.fail(ErrorKind::Closed.into());
        }
        finished
    }

    fn abandon(&mut self, side: Side) {
        match side {
            Side::Read => self.read.end(),
            Side::Write => {
                self.write.end();
                self.flushing = None;
            }
        }
        if let Some(lower) = &mut self.lower {
            lower.abandon(side);
        }
    }

    fn close(&mut self) {
        if self.lower.is_some() {
            self.addresses = Some(Box::new([self.local_addr(), self.peer_addr()]));
            self.part();
        }
    }

    fn reset(&mut self) {
        if let Some(lower) = &mut self.lower {
            lower.reset();
        }
        self.ending = Ending::Done;
        self.close();
    }

    fn closer(&mut self) -> Closer {
        let lower = &mut self.lower;
        self.closer
            .get_or_insert_with(|| match lower {
                Some(lower) => lower.closer(),
                None => Closer::new(),
            })
            .clone()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read.set_timeout(timeout);
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write.set_timeout(timeout);
    }

    fn local_addr(&self) -> Addr {
        self.address(0, |lower| lower.local_addr())
    }

    fn peer_addr(&self) -> Addr {
        self.address(1, |lower| lower.peer_addr())
    }

    fn tls(&self) -> Option<&TlsInfo> {
        Some(&self.info)
    }

    /// Bytes are plain ones; as sent count those that the network has taken, records' overhead left
    /// out. Memory is that of both connections. Encrypting is not copying: `copied` is what was
    /// copied before it.
    fn stats(&self) -> ConnStats {
        let lower = self.lower.as_ref().map(|lower| lower.stats()).unwrap_or_default();
        let waiting = self.sealed_and_unsent() as u64;
        let mut stats = ConnStats::default();
        stats.received = self.opened;
        stats.sent = self.sealed.saturating_sub(waiting);
        stats.copied = self.output.copied();
        stats.input_memory = lower.input_memory + self.input.memory() + self.session.memory();
        stats.output_memory = lower.output_memory + self.output.memory();
        stats
    }
}

impl Drop for TlsConn {
    fn drop(&mut self) {
        self.part();
    }
}
