//! Reading a request's head.

use std::task::{Context, Poll, ready};

use http::Request;

use super::connection::Connection;
use super::stop::{Stop, Timeout};
use crate::Body;
use crate::h1::codec::head::HeadScan;
use crate::h1::codec::request::{RequestFacts, parse_request};

impl Connection {
    /// Reads one head into `request`, whose fields are empty.
    #[inline]
    pub(super) fn poll_head(
        &mut self,
        scan: &mut HeadScan,
        request: &mut Request<Body>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RequestFacts, Stop>> {
        loop {
            let limits = &self.worker.config.head_limits();
            if let Some(shape) = scan.find_end(self.conn.buffered(), limits)? {
                let head = self.conn.split(shape.len).map_err(Stop::ClientGone)?;
                self.head_deadline = None;
                self.requests += 1;
                return Poll::Ready(Ok(parse_request(&head, &shape, limits, request)?));
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
