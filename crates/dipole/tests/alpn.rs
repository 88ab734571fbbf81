//! ALPN chooses who serves a connection, from the TLS handshake to the answer.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use dipole::net::{
    BoxFuture, Conn, ConnExt, Connection, DialerExt, Result, TlsFault, TlsLayer, TlsOptions,
};
use dipole::sim::Network;
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, for_http};
use dipole::{Body, Client, ClientConfig, Protocol, ProtocolChoice, Server, Session};
use http::{Request, Version};

const ADDR: &str = "site.test:443";
const NAME: &str = "site.test";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A protocol of a user's own: it greets, and is done.
struct Greeting;

impl<S> Protocol<S> for Greeting {
    fn alpn(&self) -> &[u8] {
        b"greeting/1"
    }

    fn serve(&self, connection: Connection, _: Session<S>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut conn = connection.into_bytes().expect("a byte stream");
            conn.write_all(b"good morning").await.expect("the client is there");
            conn.shutdown().await.expect("the client is there");
        })
    }
}

/// A server under TLS on a network of its own, which speaks HTTP and greets.
struct Site {
    network: Network,
    client: ClientTls,
}

impl Site {
    fn new() -> Result<Self> {
        let now = SystemTime::now();
        let authority = Authority::new("an authority", now - DAY..now + DAY)?;
        let issued = authority.issue(&[NAME], now - DAY..now + DAY)?;
        let mut options = for_http(issued.identity);
        options.alpn.push(Bytes::from_static(b"greeting/1"));
        let network = Network::default();
        Server::new(Router::new().route("/", get(|| async { "hello" })))
            .listen(ADDR, ServerTls::new(&options)?.over(network.clone()))
            .protocol(Greeting)
            .spawn()?;
        let mut options = ClientTlsOptions::default();
        options.roots = authority.roots();
        Ok(Self { network, client: ClientTls::new(&options)? })
    }

    /// The version of the answer that a client gets which prefers so.
    async fn version(&self, choice: ProtocolChoice) -> Version {
        let mut config = ClientConfig::default();
        config.protocol = choice;
        let builder = Client::builder().with_dialer(self.network.clone());
        let client = builder.with_tls(self.client.clone()).config(config).build();
        let uri = format!("https://{NAME}/");
        let request = Request::get(uri).body(Body::empty()).expect("a request");
        client.request(request).await.expect("an answer").version()
    }

    /// A connection that offered these protocols.
    async fn offer(&self, alpn: &[&'static str]) -> Result<Box<dyn Conn>> {
        let addr = ADDR.parse().expect("an address");
        let conn = self.network.dial_timeout(&addr, None).await?;
        let mut options = TlsOptions::new(NAME);
        options.alpn = alpn.iter().map(|name| Bytes::from_static(name.as_bytes())).collect();
        self.client.add_tls(conn, &options).await
    }
}

/// All that comes until the end.
async fn rest(conn: &mut dyn Conn) -> String {
    let mut length = 1;
    while conn.peek(length).await.is_ok() {
        length = conn.buffered().len() + 1;
    }
    String::from_utf8(conn.buffered().to_vec()).expect("text")
}

#[tokio::test(start_paused = true)]
async fn the_client_and_the_server_settle_on_the_best_that_both_speak() -> Result<()> {
    let site = Site::new()?;
    assert_eq!(site.version(ProtocolChoice::Negotiated).await, Version::HTTP_2);
    assert_eq!(site.version(ProtocolChoice::Http2).await, Version::HTTP_2);
    assert_eq!(site.version(ProtocolChoice::Http1).await, Version::HTTP_11);
    let chosen = site.offer(&["spdy/3", "http/1.1", "h2"]).await?;
    assert_eq!(chosen.tls().expect("TLS").alpn.as_deref(), Some(&b"h2"[..]));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_client_without_alpn_is_served_http1() -> Result<()> {
    let mut conn = Site::new()?.offer(&[]).await?;
    assert_eq!(conn.tls().expect("TLS").alpn, None);
    conn.write_all(b"GET / HTTP/1.1\r\nhost: site.test\r\nconnection: close\r\n\r\n").await?;
    let answer = rest(&mut *conn).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_client_of_unknown_protocols_alone_is_refused() -> Result<()> {
    let refused = Site::new()?.offer(&["spdy/3"]).await.expect_err("refused");
    // no_application_protocol (RFC 7301 section 3.2).
    assert_eq!(refused.tls_fault(), Some(TlsFault::Alert(120)), "{refused}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_users_protocol_is_chosen_by_its_name() -> Result<()> {
    let mut conn = Site::new()?.offer(&["greeting/1"]).await?;
    assert_eq!(rest(&mut *conn).await, "good morning");
    Ok(())
}
