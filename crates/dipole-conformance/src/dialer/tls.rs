//! D6 to D8: connections that are secured.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{
    Conn, ConnExt, DialerExt, ErrorKind, ListenOptions, Result, TlsFault, TlsLayer, TlsOptions,
};

use crate::pair::{GONE, connected, first_address};
use crate::stopwatch::Stopwatch;
use crate::tls::Secured;
use crate::verdict::{Failure, Verdict, expect, expect_equal, expect_error, expect_error_of};
use crate::waiting::{Task, expect_on_time, within};
use crate::{Shown, Subject, Tls};

const TIMEOUT: Duration = Duration::from_millis(200);

/// The TLS layer to judge; not applicable without one.
pub(crate) fn needs_tls(subject: &Subject) -> Verdict<Arc<dyn Tls>> {
    if subject.transport.capabilities().streams {
        return Err(Failure::not_applicable("byte streams: TLS is no layer of its own"));
    }
    subject.tls.clone().ok_or_else(|| Failure::not_applicable("a TLS layer (none was given)"))
}

/// D6.
pub(super) async fn verified(subject: Arc<Subject>) -> Verdict {
    let tls = needs_tls(&subject)?;
    let (mut secured, _server) = dial_shown(&subject, &tls, Shown::Good).await??;
    expect(secured.tls().is_some(), || "a secured connection says nothing of its TLS")?;
    within("an echo", echoed(&mut *secured)).await??;
    for (shown, fault) in [
        (Shown::Expired, TlsFault::Expired),
        (Shown::OfUnknownIssuer, TlsFault::UnknownIssuer),
        (Shown::OfAnotherName, TlsFault::WrongName),
    ] {
        let what = format!("a dial to a server whose certificate is {shown:?}");
        let error = expect_error(dial_shown(&subject, &tls, shown).await?, &ErrorKind::Tls, &what)?;
        expect_equal(error.tls_fault(), Some(fault), format!("the reason of {what}"))?;
    }
    Ok(())
}

/// Dials a server that shows such a certificate and echoes, as long as its task is kept.
async fn dial_shown(
    subject: &Subject,
    tls: &Arc<dyn Tls>,
    shown: Shown,
) -> Verdict<Result<(Box<dyn Conn>, Task<Result<()>>)>> {
    let transport = tls.over(Arc::clone(&subject.transport), shown);
    let mut listeners = transport.listen(&first_address(subject)?, &ListenOptions::default())?;
    let mut listener = listeners.remove(0);
    let address = listener.local_addr();
    let server = Task::start(async move {
        let incoming = poll_fn(|cx| listener.poll_accept(cx)).await?;
        let conn = incoming.accept().await?.into_bytes().ok_or(ErrorKind::Unsupported)?;
        echo(conn).await
    });
    let dialer = Secured {
        dialer: Arc::clone(&subject.dialer),
        layer: tls.client(),
        server_name: tls.server_name().into(),
    };
    let dialled = within("a dial with TLS", dialer.dial_timeout(&address, None)).await?;
    Ok(dialled.map(|conn| (conn, server)))
}

/// D7.
pub(super) async fn at_any_time(subject: Arc<Subject>) -> Verdict {
    let tls = needs_tls(&subject)?;
    let (options, client) = (TlsOptions::new(tls.server_name()), tls.client());
    let (mut near, mut far) = connected(&subject).await?;

    // As behind a proxy: a request and an answer in plain text go before.
    let (accepting, secured) = (Arc::clone(&tls), Arc::clone(&tls));
    let server = Task::start(async move {
        far.skip_all(TUNNEL.len()).await?;
        far.write_all(READY).await?;
        let outer = accepting.accept(far, Shown::Good).await?;
        let inner = secured.accept(outer, Shown::Good).await?;
        echo(inner).await
    });
    within("asking for a tunnel", near.write_all(TUNNEL)).await??;
    within("the tunnel's answer", near.skip_all(READY.len())).await??;
    let mut outer = within("add_tls in a tunnel", client.add_tls(near, &options)).await??;
    expect(outer.tls().is_some(), || "add_tls gave a connection before its handshake was done")?;
    expect(outer.is_empty(), || "a connection fresh from add_tls holds bytes")?;
    outer.release();
    let mut inner = within("add_tls over TLS", client.add_tls(outer, &options)).await??;
    within("an echo through TLS in TLS", echoed(&mut *inner)).await??;
    drop((inner, server));

    let (near, far) = connected(&subject).await?;
    let mut options = options;
    options.timeout = Some(TIMEOUT);
    let watch = Stopwatch::start();
    let added = within("add_tls over a silent peer", client.add_tls(near, &options)).await?;
    expect_error(added, &ErrorKind::TimedOut, "add_tls over a silent peer")?;
    expect_on_time("add_tls over a silent peer", TIMEOUT, watch.took())?;
    drop(far);
    Ok(())
}

const TUNNEL: &[u8] = b"CONNECT there:443\n";
const READY: &[u8] = b"200\n";

/// D8.
pub(super) async fn failure_closes(subject: Arc<Subject>) -> Verdict {
    let tls = needs_tls(&subject)?;
    let (mut options, client) = (TlsOptions::new(tls.server_name()), tls.client());
    options.timeout = Some(TIMEOUT);

    for said in [&b"this is not TLS, though it is as long as a record's header\r\n"[..], b""] {
        let (near, mut far) = connected(&subject).await?;
        within("writing", far.write_all(said)).await??;
        let added = within("add_tls", client.add_tls(near, &options)).await?;
        let kind = if said.is_empty() { ErrorKind::TimedOut } else { ErrorKind::Tls };
        expect_error(added, &kind, "add_tls over a peer without TLS")?;
        expect_closed(far, "after add_tls had failed").await?;
    }

    let (near, far) = connected(&subject).await?;
    let accepting = Arc::clone(&tls);
    let server = Task::start(async move { accepting.accept(far, Shown::Expired).await });
    let added = within("add_tls", client.add_tls(near, &options)).await?;
    expect_error(added, &ErrorKind::Tls, "add_tls over an expired certificate")?;
    let accepted = within("the server's end of it", server.join()).await??;
    // TLS 1.3 lets the server have done before the client refuses.
    if let Ok(conn) = accepted {
        expect_closed(conn, "after an expired certificate").await?;
    }

    let (near, far) = connected(&subject).await?;
    drop(tokio::time::timeout(TIMEOUT, give_up(&*client, near, &TlsOptions::new("x"))).await);
    expect_closed(far, "after add_tls was given up").await
}

async fn give_up(client: &dyn TlsLayer, conn: Box<dyn Conn>, options: &TlsOptions) {
    // It never ends, for its peer is silent.
    drop(client.add_tls(conn, options).await);
}

/// Reads to the end, which has to come.
async fn expect_closed(mut conn: Box<dyn Conn>, when: &str) -> Verdict {
    let end = within(format!("the end of the connection {when}"), async {
        loop {
            let more = conn.len() + 1;
            if let Err(error) = conn.peek(more).await {
                return error;
            }
        }
    });
    let kinds = [&[ErrorKind::Eof, ErrorKind::Tls], GONE].concat();
    expect_error_of::<()>(Err(end.await?), &kinds, format!("reading {when}")).map(drop)
}

const WORDS: &[u8] = b"there and back again";

/// Sends some bytes and reads them back.
async fn echoed(conn: &mut dyn Conn) -> Result<()> {
    conn.write_all(WORDS).await?;
    let back = conn.read_binary(WORDS.len()).await?;
    match back == WORDS {
        true => Ok(()),
        false => Err(ErrorKind::InvalidInput.into()),
    }
}

/// Sends back what comes, to the end.
pub(crate) async fn echo(mut conn: Box<dyn Conn>) -> Result<()> {
    loop {
        match conn.peek(1).await {
            Ok(_) => {}
            Err(error) if error.is_eof() => return conn.shutdown().await,
            Err(error) => return Err(error),
        }
        let held = conn.split(conn.buffered().len())?;
        conn.write_binary(held);
        conn.flush().await?;
    }
}
