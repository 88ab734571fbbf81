//! The broken library's dialling half.

use std::fs::File;
use std::time::Duration;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};

use crate::Broken;
use crate::conn::BrokenConn;
use crate::fault::Fault;

impl Dialer for Broken {
    fn name(&self) -> &'static str {
        self.dialer.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.dialer.capabilities()
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dialled = match self.fault {
                Some(Fault::DroppedDialGoesOn) => self.dial_beside(addr, options).await,
                _ => self.dial(addr, options).await,
            };
            dialled.map(|connection| BrokenConn::build_into(connection, self.fault))
        })
    }
}

impl Broken {
    async fn dial(&self, addr: &Addr, options: &DialOptions) -> Result<Connection> {
        let mut options = options.clone();
        match (self.fault, addr) {
            (Some(Fault::IgnoresTheDialTimeout), _) => options.timeout = None,
            (Some(Fault::DelaysSmallWrites), _) => options.nodelay = false,
            (Some(Fault::DialsNoUnixPaths), Addr::Unix(_)) => {
                return Err(ErrorKind::Unsupported.into());
            }
            (Some(Fault::OneFamilyAfterTheOther), Addr::Host(..)) => {
                // As long as the first family might take.
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            (Some(Fault::LeavesTasks), _) => {
                drop(tokio::spawn(std::future::pending::<()>()));
            }
            (Some(Fault::LeaksDescriptors), _) => {
                let mut leaked = self.leaked.lock().expect("nobody panics with it");
                leaked.extend(File::open("/dev/null"));
            }
            _ => {}
        }
        let dialled = self.dialer.dial_connection(addr, &options).await;
        match (self.fault, dialled) {
            (Some(Fault::RefusedWithoutItsKind), Err(error))
                if *error.kind() == ErrorKind::Refused =>
            {
                Err(Error::with_source(ErrorKind::Io, error))
            }
            (_, dialled) => dialled,
        }
    }

    /// In a task that nobody stops, with a connection that nobody closes.
    async fn dial_beside(&self, addr: &Addr, options: &DialOptions) -> Result<Connection> {
        let (this, addr, options) = (self.clone(), addr.clone(), options.clone());
        let (give, take) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let dialled = this.dialer.dial_connection(&addr, &options).await;
            if let Err(unclaimed) = give.send(dialled) {
                std::future::pending::<()>().await;
                drop(unclaimed);
            }
        });
        take.await.unwrap_or_else(|_| Err(ErrorKind::Closed.into()))
    }
}
