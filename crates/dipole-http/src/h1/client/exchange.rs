//! One request out, one response head in.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use dipole_net::{Conn, Error};
use http::{HeaderMap, Method, Response, StatusCode, header};

use super::lender::{After, Lender};
use super::patience::Patience;
use super::receiving::Receiving;
use super::sending::{SendFault, Sending};
use super::{Keep, Limits};
use crate::h1::codec::encode::{Framing, OwnFields, Persistence, RequestEncoder};
use crate::h1::codec::framing::ResponseFraming;
use crate::h1::codec::head::HeadScan;
use crate::h1::codec::reject::Reject;
use crate::h1::codec::response::{ResponseHead, parse_response};
use crate::{Body, BoxError, ConnectionReport};

/// How many interim responses (1xx) may come before the final one.
const MAX_INTERIM: usize = 32;

/// A body of up to this size that is held already is given as one piece.
const MOST_AT_ONCE: u64 = 64 * 1024;

/// What to ask of a server.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a Method,
    /// In the form that goes with the method (RFC 9112 section 3.2).
    pub(crate) target: &'a str,
    pub(crate) host: &'a [u8],
    pub(crate) headers: &'a HeaderMap,
    pub(crate) limits: &'a Limits,
    /// The response is to say what it came over.
    pub(crate) wants_report: bool,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// A byte of a response came.
    pub(crate) is_answered: bool,
}

impl Fault {
    /// The connection ended before any byte of a response.
    pub(crate) fn is_gone(&self) -> bool {
        match &self.kind {
            FaultKind::Connection(error) => {
                !self.is_answered && (error.is_eof() || error.is_closed())
            }
            _ => false,
        }
    }
}

/// See [`Fault`].
#[derive(Debug)]
pub(crate) enum FaultKind {
    /// The connection failed or ended.
    Connection(Error),
    /// The response did not come in time.
    TimedOut,
    /// What came is not a response.
    Rejected(Reject),
    /// What came is not a response, as hyper says.
    Unreadable(BoxError),
    /// The request has a target or host that cannot be sent.
    Target,
    /// The server switches to another protocol.
    Switches,
    /// The server sends interim responses without end.
    TooManyInterim,
    /// The request's body failed.
    Body(BoxError),
    /// The request's body is longer or shorter than it said.
    BodyLength,
}

/// Sends a request on `conn`, a connection of the library `network` on which nothing is under way, and reads the response's head. What
/// is left of `sending` then goes on while the response's body is read.
///
/// Afterwards `keeper` gets the connection, if it can go on; in all other cases it is closed.
pub(crate) async fn exchange<K: Keep>(
    conn: Box<dyn Conn>,
    network: &'static str,
    ask: &Ask<'_>,
    sending: &mut Sending,
    keeper: K,
) -> Result<Response<Body>, Fault> {
    let own = OwnFields::of(ask.headers);
    let report = ask.wants_report.then(|| ConnectionReport::of(&*conn, network));
    let mut exchange = Exchange {
        conn,
        ask,
        scan: HeadScan::default(),
        interim: 0,
        upload: Upload::begin(ask, sending),
        continue_patience: Patience::new(Some(ask.limits.continue_timeout)),
        patience: Patience::new(ask.limits.response_timeout),
    };
    exchange.queue_head(sending, own.close);
    let head = match poll_fn(|cx| exchange.poll(sending, cx)).await {
        Ok(head) => head,
        Err(kind) => {
            let is_answered = exchange.interim > 0 || !exchange.conn.is_empty();
            return Err(Fault { kind, is_answered });
        }
    };
    let after = if head.keep_alive && !own.close { After::Keep } else { After::Close };
    let mut response = exchange.into_response(head, sending, Lender { keeper, after })?;
    if let Some(report) = report {
        response.extensions_mut().insert(report);
    }
    Ok(response)
}

struct Exchange<'a> {
    conn: Box<dyn Conn>,
    ask: &'a Ask<'a>,
    scan: HeadScan,
    /// Interim responses that have come.
    interim: usize,
    upload: Upload,
    continue_patience: Patience,
    patience: Patience,
}

/// How far the request is.
enum Upload {
    /// The head is on its way, and the body waits for 100 (Continue).
    Waiting,
    /// Head and body are on their way.
    Going,
    /// The connection has taken all of it.
    Done,
    /// The connection takes no more of it; what it has to say may still be read.
    Failed(Error),
}

impl Upload {
    fn begin(ask: &Ask<'_>, sending: &Sending) -> Self {
        let expects = || {
            let mut values = ask.headers.get_all(header::EXPECT).iter();
            values.any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        };
        if !sending.is_queued() && expects() { Self::Waiting } else { Self::Going }
    }
}

impl Exchange<'_> {
    fn queue_head(&mut self, sending: &Sending, closes: bool) {
        let framing = match sending.framing() {
            // RFC 9110 8.6: a method that anticipates content says that there is none.
            Framing::Unsaid if anticipates_content(self.ask.method) => Framing::Length(0),
            framing => framing,
        };
        let persistence = if closes { Persistence::Close } else { Persistence::Unsaid };
        let Ask { method, target, host, headers, .. } = *self.ask;
        let head = RequestEncoder::new(method, target, host, headers, framing, persistence);
        head.encode(self.conn.malloc(head.encoded_len()));
    }

    /// Sends and receives until a final response's head is there.
    fn poll(
        &mut self,
        sending: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, FaultKind>> {
        loop {
            self.poll_send(sending, cx)?;
            if let Poll::Ready(head) = self.poll_head(cx)? {
                if !head.status.is_informational() {
                    return Poll::Ready(Ok(head));
                }
                self.pass(&head)?;
                continue;
            }
            match self.upload {
                // RFC 9110 10.1.1: a client should not wait without end before it sends the body.
                Upload::Waiting => {
                    ready!(self.continue_patience.poll_over(cx));
                    self.upload = Upload::Going;
                }
                Upload::Done | Upload::Failed(_) => {
                    ready!(self.patience.poll_over(cx));
                    return Poll::Ready(Err(FaultKind::TimedOut));
                }
                Upload::Going => return Poll::Pending,
            }
        }
    }

    fn poll_send(&mut self, sending: &mut Sending, cx: &mut Context<'_>) -> Result<(), FaultKind> {
        let polled = match self.upload {
            Upload::Going => sending.poll(&mut *self.conn, cx),
            Upload::Waiting => match self.conn.poll_flush(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(SendFault::Connection(error))),
                Poll::Ready(Ok(())) | Poll::Pending => return Ok(()),
            },
            Upload::Done | Upload::Failed(_) => return Ok(()),
        };
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.upload = Upload::Done,
            Poll::Ready(Err(SendFault::Connection(error))) if error.is_timeout() => {
                return Err(FaultKind::Connection(error));
            }
            // RFC 9112 9.5: the server may have said why before it went.
            Poll::Ready(Err(SendFault::Connection(error))) => self.upload = Upload::Failed(error),
            Poll::Ready(Err(SendFault::Body(error))) => {
                // An orderly end could pass for the end of the body.
                self.conn.reset();
                return Err(FaultKind::Body(error));
            }
            Poll::Ready(Err(SendFault::Length)) => {
                self.conn.reset();
                return Err(FaultKind::BodyLength);
            }
        }
        Ok(())
    }

    /// The next head, final or not.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, FaultKind>> {
        loop {
            let held = self.conn.buffered();
            let found = self.scan.find_end(held, &self.ask.limits.head);
            if let Some(shape) = found.map_err(FaultKind::Rejected)? {
                self.scan = HeadScan::default();
                let head = self.conn.split(shape.len).map_err(FaultKind::Connection)?;
                let head = parse_response(&head, &shape, self.ask.method);
                return Poll::Ready(head.map_err(FaultKind::Rejected));
            }
            let wanted = held.len() + 1;
            if let Err(error) = ready!(self.conn.poll_fill(cx, wanted)) {
                return Poll::Ready(Err(FaultKind::Connection(self.why_it_ended(error))));
            }
        }
    }

    /// The first thing that went wrong says most.
    fn why_it_ended(&mut self, error: Error) -> Error {
        match std::mem::replace(&mut self.upload, Upload::Done) {
            Upload::Failed(first) if error.is_eof() => first,
            _ => error,
        }
    }

    /// Passes over an interim response (RFC 9110 section 15.2).
    fn pass(&mut self, head: &ResponseHead) -> Result<(), FaultKind> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(FaultKind::Switches);
        }
        self.interim += 1;
        if self.interim > MAX_INTERIM {
            return Err(FaultKind::TooManyInterim);
        }
        if head.status == StatusCode::CONTINUE && matches!(self.upload, Upload::Waiting) {
            self.upload = Upload::Going;
        }
        Ok(())
    }

    fn into_response<K: Keep>(
        mut self,
        head: ResponseHead,
        sending: &mut Sending,
        mut lender: Lender<K>,
    ) -> Result<Response<Body>, Fault> {
        // RFC 9112 9.5: a server that refuses and closes wants no more of the body.
        let is_refused =
            !head.keep_alive && (head.status.is_client_error() || head.status.is_server_error());
        let rest = match self.upload {
            Upload::Done => None,
            Upload::Going if !is_refused => Some(std::mem::take(sending)),
            // What the request's head has announced will not come: nothing can follow it.
            Upload::Going | Upload::Waiting | Upload::Failed(_) => {
                lender.after = After::Close;
                None
            }
        };
        let body = match (head.framing, rest) {
            (ResponseFraming::None, None) => {
                lender.give_back(self.conn);
                Body::empty()
            }
            (ResponseFraming::Length(length), None) if self.holds(length) => {
                let data = self.conn.split(length as usize);
                let data = data.map_err(|error| Fault {
                    kind: FaultKind::Connection(error),
                    is_answered: true,
                })?;
                lender.give_back(self.conn);
                Body::full(data)
            }
            (framing, rest) => {
                Body::new(Receiving::new(self.conn, framing, rest, lender, self.ask.limits))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = head.headers;
        Ok(response)
    }

    fn holds(&self, length: u64) -> bool {
        length <= MOST_AT_ONCE && self.conn.buffered().len() as u64 >= length
    }
}

fn anticipates_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}
