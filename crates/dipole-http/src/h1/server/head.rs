//! Reading a request's head.

use std::task::{Context, Poll, ready};

use http::Request;

use super::connection::Connection;
use super::stop::{Stop, Timeout};
use crate::Body;
use crate::h1::codec::head::{HeadLimits, HeadScan};
use crate::h1::codec::memo::Recalled;
use crate::h1::codec::request::RequestFacts;

impl Connection {
    /// Reads one head into `request`, whose fields are empty.
    #[inline(always)]
    pub(super) fn poll_head(
        &mut self,
        scan: &mut HeadScan,
        request: &mut Request<Body>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RequestFacts, Stop>> {
        let limits = &self.worker.config.head_limits();
        if scan.is_new()
            && let Some(facts) = self.recall_head(limits, request)
        {
            return Poll::Ready(facts);
        }
        self.poll_new_head(limits, scan, request, cx)
    }

    /// Reads a head that is not known; out of the way of those that are.
    #[inline(never)]
    fn poll_new_head(
        &mut self,
        limits: &HeadLimits,
        scan: &mut HeadScan,
        request: &mut Request<Body>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RequestFacts, Stop>> {
        loop {
            if let Some(shape) = scan.find_end(self.conn.buffered(), limits)? {
                if let Some(successor) = self.successor(&shape) {
                    return Poll::Ready(Err(Stop::Succeeded(successor)));
                }
                let head = self.conn.split(shape.len).map_err(Stop::ClientGone)?;
                self.begin_request();
                let read = self
                    .worker
                    .with_memory(|memory| memory.heads.read(&head, &shape, limits, request));
                let (key, facts) = read?;
                self.last_head = key;
                return Poll::Ready(Ok(facts));
            }
            match ready!(self.poll_more_of_the_head(cx)) {
                Ok(()) => {}
                // RFC 9112 2.2: an empty line is none of a request, and so is not answered.
                Err(Stop::TimedOut(Timeout::Head))
                    if scan.is_before_start(self.conn.buffered()) =>
                {
                    return Poll::Ready(Err(Stop::TimedOut(Timeout::Idle)));
                }
                Err(stop) => return Poll::Ready(Err(stop)),
            }
        }
    }

    /// Reads a head that is whole and whose fields are those of the last one.
    #[inline(always)]
    fn recall_head(
        &mut self,
        limits: &HeadLimits,
        request: &mut Request<Body>,
    ) -> Option<Result<RequestFacts, Stop>> {
        let held = self.conn.buffered();
        let recalled = self
            .worker
            .with_memory(|memory| memory.heads.recall(self.last_head, held, limits, request))?;
        self.begin_request();
        Some(match recalled {
            Ok(Recalled { key, len, facts }) => {
                self.last_head = key;
                self.conn.skip(len).map_err(Stop::ClientGone).map(|()| facts)
            }
            Err(reject) => Err(Stop::Rejected(reject)),
        })
    }

    fn begin_request(&mut self) {
        self.head_deadline = None;
        self.requests += 1;
    }

    /// Waits for more bytes; sends meanwhile what earlier requests of the batch were answered.
    fn poll_more_of_the_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let wanted = self.conn.buffered().len() + 1;
        if let Poll::Ready(filled) = self.conn.poll_fill(cx, wanted) {
            return Poll::Ready(filled.map_err(Stop::ClientGone));
        }
        if self.conn.queued() > 0
            && let Poll::Ready(Err(stop)) = self.poll_send(cx)
        {
            return Poll::Ready(Err(stop));
        }
        if self.head_deadline.is_none() {
            self.head_deadline = self.after(self.worker.config.header_timeout);
        }
        self.poll_timeout(cx, self.head_deadline, Timeout::Head).map(Err)
    }
}
