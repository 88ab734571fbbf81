//! A layer that secures nothing: one line each way in place of a handshake.
//!
//! The client says which name and protocols it wants, the server which protocol it has chosen.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{
    Addr, BoxFuture, Closer, Conn, ConnExt, ConnStats, Error, ErrorKind, Result, Side, TlsInfo,
    TlsLayer, TlsOptions,
};

/// The client's end. The server's answers with `agreed PROTOCOL\n`; an empty one is none.
#[derive(Debug, Clone)]
pub(crate) struct FakeTls;

impl TlsLayer for FakeTls {
    fn add_tls<'a>(
        &'a self,
        mut conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>> {
        Box::pin(async move {
            conn.put(hello(&options.server_name, &options.alpn).as_bytes());
            conn.flush().await?;
            let answer = answer(&mut *conn);
            let answer = match options.timeout {
                None => answer.await?,
                Some(limit) => tokio::time::timeout(limit, answer)
                    .await
                    .map_err(|_| Error::new(ErrorKind::TimedOut))??,
            };
            let Some(agreed) = answer.strip_prefix("agreed ") else {
                return Err(Error::with_message(ErrorKind::Tls, answer));
            };
            let mut info = TlsInfo::default();
            info.alpn = Some(Bytes::from(agreed.to_owned())).filter(|agreed| !agreed.is_empty());
            info.server_name = Some(options.server_name.clone());
            Ok(Box::new(Secured { conn, info }) as Box<dyn Conn>)
        })
    }
}

/// What the client says first.
pub(crate) fn hello(server_name: &str, alpn: &[Bytes]) -> String {
    let alpn: Vec<_> = alpn.iter().map(|one| String::from_utf8_lossy(one)).collect();
    format!("hello {server_name} {}\n", alpn.join(","))
}

async fn answer(conn: &mut dyn Conn) -> Result<String> {
    let mut line = Vec::new();
    loop {
        match conn.read_byte().await? {
            b'\n' => return Ok(String::from_utf8(line).expect("text")),
            byte => line.push(byte),
        }
    }
}

struct Secured {
    conn: Box<dyn Conn>,
    info: TlsInfo,
}

impl Conn for Secured {
    fn len(&self) -> usize {
        self.conn.len()
    }
    fn buffered(&self) -> &[u8] {
        self.conn.buffered()
    }
    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        self.conn.poll_fill(cx, n)
    }
    fn skip(&mut self, n: usize) -> Result<()> {
        self.conn.skip(n)
    }
    fn split(&mut self, n: usize) -> Result<Bytes> {
        self.conn.split(n)
    }
    fn release(&mut self) {
        self.conn.release();
    }
    fn malloc(&mut self, n: usize) -> &mut [u8] {
        self.conn.malloc(n)
    }
    fn write_binary(&mut self, data: Bytes) {
        self.conn.write_binary(data);
    }
    fn queued(&self) -> usize {
        self.conn.queued()
    }
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.conn.poll_flush(cx)
    }
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.conn.poll_shutdown(cx)
    }
    fn abandon(&mut self, side: Side) {
        self.conn.abandon(side);
    }
    fn close(&mut self) {
        self.conn.close();
    }
    fn reset(&mut self) {
        self.conn.reset();
    }
    fn closer(&mut self) -> Closer {
        self.conn.closer()
    }
    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.conn.set_read_timeout(timeout);
    }
    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.conn.set_write_timeout(timeout);
    }
    fn local_addr(&self) -> Addr {
        self.conn.local_addr()
    }
    fn peer_addr(&self) -> Addr {
        self.conn.peer_addr()
    }
    fn tls(&self) -> Option<&TlsInfo> {
        Some(&self.info)
    }
    fn stats(&self) -> ConnStats {
        self.conn.stats()
    }
}
