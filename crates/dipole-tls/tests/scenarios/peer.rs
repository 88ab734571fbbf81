//! A peer that is rustls itself, driven by hand, for what the ends of this crate never do.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use dipole_net::{Conn, ConnExt, Result};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

pub(crate) struct Peer {
    pub(crate) tls: Connection,
    pub(crate) conn: Box<dyn Conn>,
    /// Bytes of records that have come.
    pub(crate) taken: usize,
}

impl Peer {
    /// The client's end, before its handshake.
    pub(crate) fn client(conn: Box<dyn Conn>, config: &Arc<ClientConfig>) -> Self {
        let name = crate::NAME.try_into().unwrap();
        Self::new(conn, ClientConnection::new(Arc::clone(config), name).unwrap().into())
    }

    /// The server's end, before its handshake.
    pub(crate) fn server(conn: Box<dyn Conn>, config: ServerConfig) -> Self {
        Self::new(conn, ServerConnection::new(Arc::new(config)).unwrap().into())
    }

    fn new(conn: Box<dyn Conn>, tls: Connection) -> Self {
        Self { tls, conn, taken: 0 }
    }

    /// What rustls wants to send.
    pub(crate) fn flight(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }

    pub(crate) async fn send(&mut self) -> Result<()> {
        let records = self.flight();
        self.conn.write_all(&records).await
    }

    /// Takes what comes next.
    async fn take(&mut self) -> Result<()> {
        self.conn.peek(1).await?;
        let held = self.conn.split(self.conn.len())?;
        self.taken += held.len();
        let mut rest = &held[..];
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest).unwrap();
            self.tls.process_new_packets().unwrap();
        }
        Ok(())
    }

    pub(crate) async fn shake_hands(&mut self) -> Result<()> {
        loop {
            self.send().await?;
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            self.take().await?;
        }
    }

    pub(crate) async fn write(&mut self, data: &[u8]) -> Result<()> {
        self.tls.writer().write_all(data).unwrap();
        self.send().await
    }

    pub(crate) async fn read(&mut self, n: usize) -> Result<Vec<u8>> {
        let mut got = vec![0; n];
        let mut filled = 0;
        while filled < n {
            match self.tls.reader().read(&mut got[filled..]) {
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.take().await?,
                Err(error) => panic!("{error}"),
            }
        }
        Ok(got)
    }
}
