//! A deliberately broken TLS layer, and the kit that catches it.
//!
//! Each fault must be caught by the very case that names it, and the same layer without the fault
//! must pass that case.

mod conn;

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use conn::BrokenConn;
use dipole::conformance::{Rustls, Shown, Status, Subject, Tls, cases};
use dipole::net::{
    Addr, BoxFuture, Capabilities, Conn, Connection, Incoming, ListenOptions, Listener, Result,
    TlsLayer, TlsOptions, Transport,
};
use dipole::sim::Network;
use dipole::tls::{ClientTls, ClientTlsOptions, Roots};

/// What the broken layer does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    TrustsAnybody,
    HasNoDeadline,
    GivenUpGoesOn,
    ShakesHandsOneAfterTheOther,
    HasNoReadTimeout,
    SealsAndSendsAtOnce,
    EndReadsAsTruncation,
    CloseNotifyEndsBoth,
    TruncationReadsAsEnd,
}

/// Each fault and the case that is to catch it: of TLS itself, or of byte streams under it.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::TrustsAnybody, "D6"),
    (Fault::HasNoDeadline, "D7"),
    (Fault::GivenUpGoesOn, "D8"),
    (Fault::ShakesHandsOneAfterTheOther, "L4"),
    (Fault::HasNoReadTimeout, "B7"),
    (Fault::SealsAndSendsAtOnce, "B33"),
    (Fault::EndReadsAsTruncation, "B45"),
    (Fault::CloseNotifyEndsBoth, "B47"),
    (Fault::TruncationReadsAsEnd, "B48"),
];

/// A correct layer with one fault built in, or none.
struct Broken {
    sound: Arc<Rustls>,
    fault: Fault,
}

impl Tls for Broken {
    fn client(&self) -> Arc<dyn TlsLayer> {
        let layer = match self.fault {
            Fault::TrustsAnybody => {
                let mut options = ClientTlsOptions::default();
                options.roots = Roots::DangerouslyTrustAnybody;
                Arc::new(ClientTls::new(&options).expect("a client"))
            }
            _ => self.sound.client(),
        };
        Arc::new(BrokenLayer { layer, fault: self.fault })
    }

    fn server_name(&self) -> &str {
        self.sound.server_name()
    }

    fn over(&self, transport: Arc<dyn Transport>, shown: Shown) -> Arc<dyn Transport> {
        Arc::new(BrokenTransport { inner: self.sound.over(transport, shown), fault: self.fault })
    }

    fn accept(&self, conn: Box<dyn Conn>, shown: Shown) -> BoxFuture<'_, Result<Box<dyn Conn>>> {
        self.sound.accept(conn, shown)
    }
}

struct BrokenLayer {
    layer: Arc<dyn TlsLayer>,
    fault: Fault,
}

impl TlsLayer for BrokenLayer {
    fn add_tls<'a>(
        &'a self,
        conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>> {
        let mut options = options.clone();
        if self.fault == Fault::HasNoDeadline {
            options.timeout = None;
        }
        let (layer, fault) = (Arc::clone(&self.layer), self.fault);
        let added = async move {
            let inner = layer.add_tls(conn, &options).await?;
            Ok(Box::new(BrokenConn { inner, fault }) as Box<dyn Conn>)
        };
        if fault == Fault::GivenUpGoesOn {
            // The task goes on when its handle is dropped.
            let task = tokio::spawn(added);
            return Box::pin(async { task.await.expect("no panic") });
        }
        Box::pin(added)
    }
}

struct BrokenTransport {
    inner: Arc<dyn Transport>,
    fault: Fault,
}

impl Transport for BrokenTransport {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let broken = |inner| {
            Box::new(BrokenListener { inner, fault: self.fault, shaking: None })
                as Box<dyn Listener>
        };
        Ok(self.inner.listen(addr, options)?.into_iter().map(broken).collect())
    }
}

struct BrokenListener {
    inner: Box<dyn Listener>,
    fault: Fault,
    /// The one handshake that is under way.
    shaking: Option<(Addr, BoxFuture<'static, Result<Connection>>)>,
}

impl Listener for BrokenListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        loop {
            if let Some((peer, handshake)) = &mut self.shaking {
                let shaken = ready!(handshake.as_mut().poll(cx));
                let peer = peer.clone();
                self.shaking = None;
                return Poll::Ready(shaken.map(|connection| Incoming::ready(peer, connection)));
            }
            let incoming = ready!(self.inner.poll_accept(cx))?;
            let (peer, fault) = (incoming.peer_addr().clone(), self.fault);
            let handshake: BoxFuture<'static, _> = Box::pin(async move {
                let inner = incoming.accept().await?.into_bytes().expect("bytes");
                Ok(Connection::Bytes(Box::new(BrokenConn { inner, fault })))
            });
            if fault != Fault::ShakesHandsOneAfterTheOther {
                return Poll::Ready(Ok(Incoming::handshake(peer, handshake)));
            }
            self.shaking = Some((peer, handshake));
        }
    }

    fn local_addr(&self) -> Addr {
        self.inner.local_addr()
    }
}

fn judge(id: &str, sound: &Arc<Rustls>, fault: Fault) -> dipole::conformance::CaseReport {
    let case = cases().into_iter().find(|case| case.id == id).expect("the case exists");
    let network = Network::default();
    let subject = Subject {
        name: "broken".into(),
        transport: Arc::new(network.clone()),
        dialer: Arc::new(network),
        addresses: vec!["sim:alpha:0".parse().expect("an address")],
        host: None,
        tls: Some(Arc::new(Broken { sound: Arc::clone(sound), fault })),
    };
    let subject = match id.starts_with('B') {
        true => subject.under_tls().expect("it has a layer"),
        false => subject,
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(case.judge(&Arc::new(subject)))
}

/// One test, since some cases measure the process.
#[test]
fn every_fault_is_caught_by_the_case_that_names_it() {
    let layer = Arc::new(Rustls::new(SystemTime::now()).expect("certificates"));
    let mut wrong = Vec::new();
    for (fault, id) in FAULTS {
        let (sound, broken) = (judge(id, &layer, Fault::None), judge(id, &layer, *fault));
        println!("{fault:?}: {id} {}: {}", broken.status.words(), broken.detail);
        if sound.status != Status::Passed {
            wrong.push(format!("without {fault:?} {}", sound.lines()));
        }
        if broken.status != Status::Failed {
            wrong.push(format!("with {fault:?} {}", broken.lines()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
