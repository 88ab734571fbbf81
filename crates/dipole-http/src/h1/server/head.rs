//! Reading a request's head.

use std::future::poll_fn;
use std::task::Poll;

use super::connection::Connection;
use super::stop::{Stop, Timeout};
use crate::h1::codec::head::{HeadLimits, HeadScan};
use crate::h1::codec::request::{RequestHead, parse_request};

impl Connection {
    /// Reads one head, of which at least one byte is held.
    pub(super) async fn read_head(&mut self) -> Result<RequestHead, Stop> {
        let limits = self.head_limits();
        let mut scan = HeadScan::default();
        loop {
            if let Some(shape) = scan.find_end(self.conn.buffered(), &limits)? {
                let head = self.conn.split(shape.len).map_err(Stop::ClientGone)?;
                self.head_deadline = None;
                self.requests += 1;
                return Ok(parse_request(&head, &shape, &limits)?);
            }
            self.more_of_the_head().await?;
        }
    }

    pub(super) fn head_limits(&self) -> HeadLimits {
        let config = &self.worker.config;
        HeadLimits {
            max_head_bytes: config.max_head_bytes,
            max_target_bytes: config.max_target_bytes,
            max_fields: config.max_headers,
        }
    }

    /// Waits for more bytes; sends meanwhile what earlier requests of the batch were answered.
    async fn more_of_the_head(&mut self) -> Result<(), Stop> {
        if self.head_deadline.is_none() {
            self.head_deadline = self.after(self.worker.config.header_timeout);
        }
        let wanted = self.conn.len() + 1;
        poll_fn(|cx| {
            if let Poll::Ready(filled) = self.conn.poll_fill(cx, wanted) {
                return Poll::Ready(filled.map_err(Stop::ClientGone));
            }
            if self.conn.queued() > 0
                && let Poll::Ready(Err(stop)) = self.poll_send(cx)
            {
                return Poll::Ready(Err(stop));
            }
            self.poll_timeout(cx, self.head_deadline, Timeout::Head).map(Err)
        })
        .await
    }
}
