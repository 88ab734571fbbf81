//! A server on simulated streams, and a client.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use dipole_http::{HttpService, Server, ServerConfig, ServerHandle};
use dipole_net::{
    Addr, BoxReceive, BoxSend, DialOptions, DialerExt, Error, ErrorKind, ListenOptions,
    ReceiveStreamExt, Result, SendStreamExt, Stream, StreamConn,
};
use dipole_sim::{Network, Streams};
use http::{HeaderMap, StatusCode};

use crate::codec::fields::{self, Pseudo};
use crate::codec::frames::{self, Frame, FrameReader};
use crate::support::{handler, read_all, secs, text};

/// A server on a network of its own, on the caller's runtime.
pub(crate) struct Site {
    pub(crate) server: ServerHandle,
    addr: Addr,
    dialer: Streams,
}

impl Site {
    pub(crate) fn new<S: HttpService>(service: S) -> Self {
        Self::configured(service, |_| {})
    }

    pub(crate) fn configured<S: HttpService>(
        service: S,
        change: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let mut config = ServerConfig::default();
        change(&mut config);
        let streams = Network::default().streams();
        let server = Server::new(service)
            .config(config)
            .listen_with("127.0.0.1:0", streams.clone(), ListenOptions::default())
            .spawn()
            .unwrap();
        let addr = server.local_addrs()[0].clone();
        Self { server, addr, dialer: streams }
    }

    pub(crate) async fn connect(&self) -> Client {
        let client = self.connect_bare().await;
        let mut control = client.conn.open_uni_stream().unwrap();
        control.write_all(&[0x00, frames::SETTINGS as u8, 0x00]).await.unwrap();
        Client { _control: Some(control), ..client }
    }

    /// Without a control stream.
    pub(crate) async fn connect_bare(&self) -> Client {
        let conn = self.dialer.dial_streams(&self.addr, &DialOptions::default()).await.unwrap();
        Client { conn: Arc::from(conn), _control: None }
    }
}

/// A service that reads a whole body and gives it back.
pub(crate) fn reading() -> impl HttpService {
    handler(async |request| match read_all(request.into_body()).await {
        Ok((data, _)) => text(String::from_utf8_lossy(&data).into_owned()),
        Err(error) => text(error.to_string()),
    })
}

/// A client's end of a connection.
pub(crate) struct Client {
    pub(crate) conn: Arc<dyn StreamConn>,
    _control: Option<BoxSend>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The informational ones that came before it.
    pub(crate) before: Vec<StatusCode>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    /// Sends a request's head on a new stream.
    pub(crate) async fn begin(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Stream {
        let usual =
            [(":method", method), (":scheme", "https"), (":authority", "a"), (":path", path)];
        self.begin_with(&[&usual[..], more].concat()).await
    }

    /// Sends these fields on a new stream.
    pub(crate) async fn begin_with(&self, fields: &[(&str, &str)]) -> Stream {
        let mut stream = self.conn.open_stream_sync().await.unwrap();
        stream.send.write_all(&head(fields)).await.unwrap();
        stream
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let mut stream = self.begin(method, path, &[]).await;
        if !body.is_empty() {
            stream.send.write_all(&data(body)).await?;
        }
        stream.send.close().await?;
        answer(&mut stream.receive).await
    }

    /// The code with which the server has closed the connection.
    pub(crate) async fn closed_with(&self) -> u64 {
        let closed = tokio::time::timeout(secs(10), self.conn.closed()).await.expect("an end");
        match closed.kind() {
            ErrorKind::Application { code, .. } => *code,
            other => panic!("{other:?}"),
        }
    }
}

/// A HEADERS frame: every field literal (RFC 9204 section 4.5.6).
pub(crate) fn head(fields: &[(&str, &str)]) -> Bytes {
    let mut section = BytesMut::from(&[0, 0][..]);
    for (name, value) in fields {
        literal(name, 0x20, 3, &mut section);
        literal(value, 0, 7, &mut section);
    }
    frame(frames::HEADERS, &section)
}

fn literal(text: &str, flags: u8, prefix: u32, out: &mut BytesMut) {
    let (most, mut rest) = ((1 << prefix) - 1, text.len());
    if rest < most {
        out.extend_from_slice(&[flags | rest as u8]);
    } else {
        out.extend_from_slice(&[flags | most as u8]);
        rest -= most;
        while rest >= 128 {
            out.extend_from_slice(&[0x80 | (rest % 128) as u8]);
            rest /= 128;
        }
        out.extend_from_slice(&[rest as u8]);
    }
    out.extend_from_slice(text.as_bytes());
}

/// A DATA frame.
pub(crate) fn data(data: &[u8]) -> Bytes {
    frame(frames::DATA, data)
}

pub(crate) fn frame(kind: u64, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frames::encode_head(kind, payload.len(), &mut frame);
    frame.extend_from_slice(payload);
    frame.freeze()
}

/// Reads an answer to its end.
pub(crate) async fn answer(receive: &mut BoxReceive) -> Result<Answer> {
    tokio::time::timeout(secs(30), read_answer(receive)).await.expect("an answer in time")
}

async fn read_answer(receive: &mut BoxReceive) -> Result<Answer> {
    let mut reader = FrameReader::new(1 << 20);
    let (mut before, mut head, mut body, mut trailers) = (Vec::new(), None, Vec::new(), None);
    while let Some(mut bytes) = receive.read().await? {
        while let Some(frame) = reader.next(&mut bytes).expect("frames") {
            match frame {
                Frame::Data(data) => body.extend_from_slice(&data),
                Frame::Other { payload, .. } => {
                    let section = fields::decode(&payload, 1 << 20).expect("fields");
                    let Pseudo { status, .. } = section.pseudo;
                    match status.map(|status| StatusCode::from_bytes(&status).unwrap()) {
                        Some(status) if status.is_informational() => before.push(status),
                        Some(status) => head = Some((status, section.fields)),
                        None => trailers = Some(section.fields),
                    }
                }
            }
        }
    }
    reader.end().expect("a whole frame");
    let (status, headers) = head.ok_or_else(|| Error::new(ErrorKind::Eof))?;
    Ok(Answer { before, status, headers, body, trailers })
}

/// The code with which the server breaks this stream off.
pub(crate) async fn reset_code(receive: &mut BoxReceive) -> u64 {
    let read = async {
        loop {
            match receive.read().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream has ended in order"),
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(secs(10), read).await.expect("an end");
    match error.kind() {
        ErrorKind::StreamReset { code, .. } => *code,
        other => panic!("{other:?}"),
    }
}
