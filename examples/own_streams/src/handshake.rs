//! The handshake: each end says what it allows.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use dipole_net::{Conn, ConnExt, Connection, Error, ErrorKind, Initiator, Result, StreamOptions};

use crate::conn::MuxConn;
use crate::driver::{self, Times};
use crate::frame::{Frame, HEADER, Header, Hello, Malformed};
use crate::session::Session;
use crate::state::{End, State, VIOLATION, allowed};

/// Makes a connection of streams of a byte stream, within `options.handshake_timeout`.
///
/// Dropped before its end, it closes the byte stream; its task begins when it has ended well.
pub(crate) async fn connection(
    mut conn: Box<dyn Conn>,
    end: End,
    options: &StreamOptions,
) -> Result<Connection> {
    let own = allowed(options);
    let hellos = tokio::time::timeout(options.handshake_timeout, hellos(&mut *conn, own));
    let peer = hellos.await.map_err(|_| Error::new(ErrorKind::TimedOut))??;
    let idle = [own.idle, peer.idle].into_iter().filter(|idle| *idle > 0).min();
    let times = Times { idle: idle.map(Duration::from_millis), keep_alive: options.keep_alive };
    let state = State::new(end, own, peer, options.send_window);
    let (local, far, tls) = (conn.local_addr(), conn.peer_addr(), conn.tls().cloned());
    let session = Session::new(state, local, far, tls);
    drop(tokio::spawn(driver::run(conn, Arc::clone(&session), times)));
    Ok(Connection::Streams(Box::new(MuxConn::new(session))))
}

async fn hellos(conn: &mut dyn Conn, own: Hello) -> Result<Hello> {
    let mut out = BytesMut::new();
    Frame::Hello(own).encode(&mut out);
    conn.write_all(&out).await?;
    let Some(header) = Header::decode(conn.peek(HEADER).await?).map_err(violation)? else {
        return Err(violation(Malformed("no header")));
    };
    conn.skip(HEADER)?;
    let payload = conn.read_binary(header.length).await?;
    match Frame::decode(header, payload).map_err(violation)? {
        Frame::Hello(hello) => Ok(hello),
        _ => Err(violation(Malformed("something before the hello"))),
    }
}

fn violation(Malformed(what): Malformed) -> Error {
    Error::with_message(ErrorKind::Protocol { code: VIOLATION, by: Initiator::Local }, what)
}
