//! A server under judgement and its clients.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Addr, Conn, ConnExt, ErrorKind};

use crate::pair::{dial, first_address};
use crate::verdict::{Failure, Verdict, expect, expect_equal};
use crate::waiting::{eventually, within};
use crate::{Handlers, Host, HostOptions, Running, Subject};

/// Long enough for any server to end what it has to end.
const AMPLE: Duration = Duration::from_secs(10);

/// A running server of a library under judgement.
pub(super) struct Stage {
    pub(super) subject: Arc<Subject>,
    pub(super) host: Arc<dyn Host>,
    pub(super) running: Arc<dyn Running>,
    pub(super) address: Addr,
}

impl Stage {
    /// Starts a server at the library's first address.
    pub(super) async fn start(subject: &Arc<Subject>) -> Verdict<Self> {
        Self::start_with(subject, HostOptions::default()).await
    }

    /// Starts a server so.
    pub(super) async fn start_with(subject: &Arc<Subject>, options: HostOptions) -> Verdict<Self> {
        Self::start_at(subject, &first_address(subject)?, options).await
    }

    /// Starts a server there.
    pub(super) async fn start_at(
        subject: &Arc<Subject>,
        address: &Addr,
        options: HostOptions,
    ) -> Verdict<Self> {
        let host = needs_host(subject)?;
        let start = host.start(Arc::clone(&subject.transport), address, options);
        let running: Arc<dyn Running> = within("starting a server", start).await??.into();
        let address = running.local_addr();
        Ok(Self { subject: Arc::clone(subject), host, running, address })
    }

    /// A new client.
    pub(super) async fn client(&self) -> Verdict<Client> {
        let conn = dial(&self.subject, &self.address).await?;
        Ok(Client::new(conn, &self.host))
    }

    /// A new client whose request is being handled.
    pub(super) async fn busy_client(&self, delay: Duration) -> Verdict<Client> {
        let begun = self.handlers().begun;
        let mut client = self.client().await?;
        client.send(&self.host.slow_request(delay)).await?;
        eventually("a handler has begun", || self.handlers().begun > begun).await?;
        Ok(client)
    }

    /// What has become of its handlers.
    pub(super) fn handlers(&self) -> Handlers {
        self.running.handlers()
    }

    /// Shuts it down, with nothing left to wait for.
    pub(super) async fn end(self) -> Verdict {
        within("shutdown", self.running.shutdown(AMPLE)).await
    }
}

/// The server to run the library under; not applicable without one.
pub(super) fn needs_host(subject: &Subject) -> Verdict<Arc<dyn Host>> {
    if subject.transport.capabilities().streams {
        return Err(Failure::not_applicable("byte streams (no host serves streams yet)"));
    }
    let lacks = || Failure::not_applicable("a server to run it under (none was given)");
    subject.host.clone().ok_or_else(lacks)
}

/// A client of the server.
pub(super) struct Client {
    pub(super) conn: Box<dyn Conn>,
    host: Arc<dyn Host>,
}

impl Client {
    /// A client on a connection of its own.
    pub(super) fn new(conn: Box<dyn Conn>, host: &Arc<dyn Host>) -> Self {
        Self { conn, host: Arc::clone(host) }
    }

    /// Sends a request.
    pub(super) async fn send(&mut self, request: &[u8]) -> Verdict {
        Ok(within("sending a request", self.conn.write_all(request)).await??)
    }

    /// Waits for the next answer, which is to be `ok` or an error answer.
    pub(super) async fn expect_answer(&mut self, ok: bool) -> Verdict {
        let answer = loop {
            if let Some(answer) = self.host.parse_answer(self.conn.buffered()) {
                break answer;
            }
            let more = self.conn.len() + 1;
            within("the answer", self.conn.peek(more)).await??;
        };
        self.conn.skip(answer.length)?;
        self.conn.release();
        expect_equal(answer.ok, ok, "whether the answer is that of a handler that ran to its end")
    }

    /// Has one request answered.
    pub(super) async fn expect_quick_answer(&mut self) -> Verdict {
        let request = self.host.quick_request();
        self.send(&request).await?;
        self.expect_answer(true).await
    }

    /// Waits for the server to end the connection, in order or by a reset, with nothing more said.
    pub(super) async fn expect_end(&mut self) -> Verdict {
        match within("the server's end of the connection", self.conn.peek(1)).await? {
            Ok(bytes) => Err(Failure::broken(format_args!(
                "the server sent {bytes:02x?}, expected its end of the connection"
            ))),
            Err(error) => {
                let ends = [ErrorKind::Eof, ErrorKind::Closed, ErrorKind::Reset];
                expect(ends.contains(error.kind()), || {
                    format!("the connection ended with Err({:?}): {error}", error.kind())
                })
            }
        }
    }
}
