//! A deliberately broken library of streams, and the kit that catches it.
//!
//! Each fault must be caught by the very case that names it, and the same library without the
//! fault must pass that case.

mod conn;
mod fault;
mod halves;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use conn::BrokenConn;
use dipole_conformance::{CaseReport, Status, Subject, cases};
use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Incoming, ListenOptions,
    Listener, Result, Transport,
};
use dipole_quinn::Quinn;
use dipole_tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use fault::{FAULTS, Fault};

/// A correct library with one fault built in, or none.
#[derive(Clone)]
struct Broken {
    sound: Quinn,
    fault: Option<Fault>,
}

impl Transport for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn capabilities(&self) -> Capabilities {
        Transport::capabilities(&self.sound)
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let listeners = self.sound.listen(addr, options)?.into_iter();
        let broken =
            |inner| -> Box<dyn Listener> { Box::new(BrokenListener { inner, fault: self.fault }) };
        Ok(listeners.map(broken).collect())
    }
}

impl Dialer for Broken {
    fn name(&self) -> &'static str {
        Dialer::name(&self.sound)
    }

    fn capabilities(&self) -> Capabilities {
        Dialer::capabilities(&self.sound)
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dialled = self.sound.dial_connection(addr, options).await?;
            Ok(BrokenConn::build_into(dialled, self.fault))
        })
    }
}

struct BrokenListener {
    inner: Box<dyn Listener>,
    fault: Option<Fault>,
}

impl Listener for BrokenListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let fault = self.fault;
        self.inner.poll_accept(cx).map_ok(|incoming| {
            let peer = incoming.peer_addr().clone();
            let accept = async move { Ok(BrokenConn::build_into(incoming.accept().await?, fault)) };
            Incoming::handshake(peer, Box::pin(accept))
        })
    }

    fn local_addr(&self) -> Addr {
        self.inner.local_addr()
    }
}

/// QUIC on this machine, by an authority that nobody else knows.
fn sound() -> Quinn {
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let authority = Authority::new("conformance", now - hour..now + hour).expect("an authority");
    let issued = authority.issue(&["127.0.0.1"], now - hour..now + hour).expect("a certificate");
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    let server = ServerTls::new(&ServerTlsOptions::new(issued.identity)).expect("a server");
    Quinn::new(server, ClientTls::new(&trust).expect("a client"))
}

fn judge(id: &str, sound: &Quinn, fault: Option<Fault>) -> CaseReport {
    let broken = Broken { sound: sound.clone(), fault };
    let subject = Subject {
        name: "broken".into(),
        transport: Arc::new(broken.clone()),
        dialer: Arc::new(broken),
        addresses: vec!["127.0.0.1:0".parse().expect("an address")],
        host: None,
        tls: None,
    };
    let case = cases().into_iter().find(|case| case.id == id).expect("the case exists");
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(case.judge(&Arc::new(subject)))
}

/// One test, since some cases count the tasks and descriptors of the process.
#[test]
fn every_fault_of_streams_is_caught_by_the_case_that_names_it() {
    let quinn = sound();
    let mut wrong = Vec::new();
    let sound: Vec<_> = FAULTS.iter().map(|(_, id)| judge(id, &quinn, None)).collect();
    // Side by side: mostly the kit waits in vain.
    let broken = std::thread::scope(|scope| {
        let start = |(fault, id): &'static (Fault, &str)| {
            let quinn = &quinn;
            scope.spawn(move || judge(id, quinn, Some(*fault)))
        };
        let judges: Vec<_> = FAULTS.iter().map(start).collect();
        judges.into_iter().map(|judge| judge.join().expect("a report")).collect::<Vec<_>>()
    });
    for (((fault, id), sound), broken) in FAULTS.iter().zip(sound).zip(broken) {
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
