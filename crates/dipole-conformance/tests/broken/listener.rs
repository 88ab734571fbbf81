//! The broken library's listening half.

use std::task::{Context, Poll};

use dipole_net::{
    Addr, Capabilities, ErrorKind, Incoming, ListenOptions, Listener, Result, Transport,
};

use crate::Broken;
use crate::conn::BrokenConn;
use crate::fault::Fault;

impl Transport for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn capabilities(&self) -> Capabilities {
        self.transport.capabilities()
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let mut options = options.clone();
        match (self.fault, addr) {
            (Some(Fault::IgnoresTheGivenDescriptor), _) => options.descriptor = None,
            (Some(Fault::DelaysSmallWrites), _) => options.nodelay = false,
            (Some(Fault::TakesALivePath), Addr::Unix(path)) => {
                // Nothing is there, mostly.
                drop(std::fs::remove_file(path));
            }
            _ => {}
        }
        let listeners = match self.transport.listen(addr, &options) {
            Err(error)
                if self.fault == Some(Fault::SharesATakenAddress)
                    && *error.kind() == ErrorKind::AddrInUse =>
            {
                return Ok(vec![Box::new(Deaf { addr: addr.clone() })]);
            }
            listened => listened?,
        };
        let broken = |(shard, inner)| -> Box<dyn Listener> {
            let (fault, asked) = (self.fault, addr.clone());
            Box::new(BrokenListener { inner, fault, asked, shard, exhausted: false })
        };
        Ok(listeners.into_iter().enumerate().map(broken).collect())
    }
}

/// A correct listener with one fault built in, or none.
struct BrokenListener {
    inner: Box<dyn Listener>,
    fault: Option<Fault>,
    asked: Addr,
    shard: usize,
    exhausted: bool,
}

impl Listener for BrokenListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        match self.fault {
            Some(Fault::OneShardStarves) if self.shard == 1 => return Poll::Pending,
            Some(Fault::GivesUpWithoutDescriptors) if self.exhausted => {
                return Poll::Ready(Err(ErrorKind::Closed.into()));
            }
            _ => {}
        }
        self.inner.poll_accept(cx).map(|accepted| match accepted {
            Ok(incoming) => {
                let (peer, fault) = (incoming.peer_addr().clone(), self.fault);
                let accept = async move {
                    let connection = incoming.accept().await?;
                    Ok(BrokenConn::build_into(connection, fault))
                };
                Ok(Incoming::handshake(peer, Box::pin(accept)))
            }
            Err(error) => {
                self.exhausted |= error.is_temporary();
                Err(error)
            }
        })
    }

    fn local_addr(&self) -> Addr {
        match self.fault {
            Some(Fault::ReportsPortZero) => self.asked.clone(),
            _ => self.inner.local_addr(),
        }
    }
}

/// A listener that hears nobody.
struct Deaf {
    addr: Addr,
}

impl Listener for Deaf {
    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Result<Incoming>> {
        Poll::Pending
    }

    fn local_addr(&self) -> Addr {
        self.addr.clone()
    }
}
