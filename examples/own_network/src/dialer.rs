//! Dialling.

use std::time::Duration;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, ErrorKind, Result,
};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::connect;
use tokio::time::{sleep, timeout};

use crate::address::Name;
use crate::offer::from_errno;
use crate::transport::unix_socket;
use crate::{Pipes, conn, offer};

impl Dialer for Pipes {
    fn name(&self) -> &'static str {
        dipole_net::Transport::name(self)
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dial = self.dial(addr);
            let dialled = match options.timeout {
                None => dial.await,
                Some(limit) => {
                    timeout(limit, dial).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
                }
            };
            dialled.map_err(|error| error.context(format!("cannot connect to {addr}")))
        })
    }
}

impl Pipes {
    async fn dial(&self, addr: &Addr) -> Result<Connection> {
        let name = Name::of(addr)?;
        let socket = connected(&name).await?;
        // From here on the connection is there: the listener finds the offer in its queue, and the
        // socket has done its part.
        let ends = offer::send(socket)?;
        conn::over(ends, Addr::Unnamed, name.addr(), &self.buffers)
    }
}

/// A socket in the queue of whoever has the name. The system has no event for "the queue has room
/// again", so a full one is asked again, from time to time.
async fn connected(name: &Name) -> Result<OwnedFd> {
    const LONGEST: Duration = Duration::from_millis(20);
    let addr = name.socket()?;
    let mut pause = Duration::from_millis(1);
    loop {
        let socket = unix_socket().map_err(from_errno)?;
        match connect(&socket, &addr) {
            Ok(()) => return Ok(socket),
            Err(Errno::AGAIN) => {
                drop(socket);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            Err(errno) => return Err(from_errno(errno)),
        }
    }
}
