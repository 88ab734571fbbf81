//! A server of a line protocol: all that it takes to be a [`Host`].
//!
//! A request is a line, `quick`, `slow MILLISECONDS` or `panic`, and so is its answer, `ok` or
//! `error`. Everything runs on the caller's runtime, so a simulated library keeps its clock.

mod connection;

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dipole_conformance::{Answer, Handlers, Host, HostOptions, Running};
use dipole_net::{Addr, BoxFuture, ListenOptions, Listener, Result, Transport};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long the accept loop rests after an error.
const BACKOFF: Duration = Duration::from_millis(5);

/// A server of the line protocol.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LineHost {
    /// What it does wrong; `None` is nothing.
    pub(crate) flaw: Option<Flaw>,
}

/// Something that a server may do wrong, and which the kit is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Goes on with connections that a hook has refused (L8).
    IgnoresRefusal,
    /// Leaves idle connections open until the deadline (L9).
    KeepsIdle,
    /// Keeps listening while it drains (L9).
    AcceptsWhileDraining,
    /// Waits for running requests without end (L9).
    IgnoresDeadline,
    /// Waits the whole deadline out, whatever runs (L9).
    AlwaysWaitsOut,
    /// A second shutdown never ends (L10).
    EndsOnce,
    /// Does not answer after a panic (L11).
    SilentAfterPanic,
    /// Handlers run on without their clients (L12).
    RunsOn,
    /// A swap ends what is running (L13).
    SwapEndsRequests,
}

impl Host for LineHost {
    fn start<'a>(
        &'a self,
        transport: Arc<dyn Transport>,
        addr: &'a Addr,
        options: HostOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Running>>> {
        Box::pin(async move {
            let flaw = self.flaw;
            let mut listen = ListenOptions::default();
            listen.shards = NonZeroUsize::new(options.workers).unwrap_or(NonZeroUsize::MIN);
            // Bound here, so that one library after another can listen on the same queue (L13).
            if let (true, Addr::Ip(ip)) = (transport.capabilities().descriptors, addr) {
                let socket = OwnedFd::from(std::net::TcpListener::bind(ip)?);
                listen.descriptor = Some(socket.into());
            }
            let listeners = transport.listen(addr, &listen)?;
            let server = LineServer {
                addr: listeners[0].local_addr(),
                listen: Mutex::new(listen),
                shared: Arc::new(Shared { options, flaw, handlers: Counters::default() }),
                generations: Mutex::default(),
            };
            server.serve(listeners);
            Ok(Box::new(server) as Box<dyn Running>)
        })
    }

    fn quick_request(&self) -> Bytes {
        Bytes::from_static(b"quick\n")
    }

    fn slow_request(&self, delay: Duration) -> Bytes {
        format!("slow {}\n", delay.as_millis()).into()
    }

    fn panicking_request(&self) -> Bytes {
        Bytes::from_static(b"panic\n")
    }

    fn parse_answer(&self, bytes: &[u8]) -> Option<Answer> {
        let length = bytes.iter().position(|byte| *byte == b'\n')? + 1;
        Some(Answer { length, ok: &bytes[..length] == b"ok\n" })
    }
}

/// A server that runs, and what its connections share.
struct LineServer {
    addr: Addr,
    /// Has the socket, until the shutdown.
    listen: Mutex<ListenOptions>,
    shared: Arc<Shared>,
    /// Those who listen and those who listened before a swap. Dropped, they end at once.
    generations: Mutex<Vec<Arc<watch::Sender<Phase>>>>,
}

struct Shared {
    options: HostOptions,
    flaw: Option<Flaw>,
    handlers: Counters,
}

#[derive(Default)]
struct Counters {
    begun: AtomicU64,
    panicked: AtomicU64,
    cancelled: AtomicU64,
}

/// What listeners and connections are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Serve.
    Serve,
    /// Make room for another library: serve what has come in, and take nothing more.
    Leave,
    /// End what is idle at once, and everything by then.
    End(Instant),
}

impl LineServer {
    fn serve(&self, listeners: Vec<Box<dyn Listener>>) {
        let (phase, follow) = watch::channel(Phase::Serve);
        for listener in listeners {
            tokio::spawn(accept(listener, Arc::clone(&self.shared), follow.clone()));
        }
        self.lock().push(Arc::new(phase));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<watch::Sender<Phase>>>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running for LineServer {
    fn local_addr(&self) -> Addr {
        self.addr.clone()
    }

    fn shutdown(&self, deadline: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let end = Instant::now() + deadline;
            let ends_once = self.shared.flaw == Some(Flaw::EndsOnce);
            if ends_once && lock(&self.generations).iter().any(|phase| phase.is_closed()) {
                return std::future::pending().await;
            }
            lock(&self.listen).descriptor = None;
            let generations = lock(&self.generations).clone();
            for phase in &generations {
                phase.send_if_modified(|phase| {
                    let sooner = !matches!(phase, Phase::End(earlier) if *earlier <= end);
                    if sooner {
                        *phase = Phase::End(end);
                    }
                    sooner
                });
            }
            for phase in &generations {
                phase.closed().await;
            }
            if self.shared.flaw == Some(Flaw::AlwaysWaitsOut) {
                sleep_until(end).await;
            }
        })
    }

    fn handlers(&self) -> Handlers {
        let Counters { begun, panicked, cancelled } = &self.shared.handlers;
        let [begun, panicked, cancelled] =
            [begun, panicked, cancelled].map(|count| count.load(Ordering::Relaxed));
        Handlers { begun, panicked, cancelled }
    }

    fn swap(&self, transport: Arc<dyn Transport>) -> Option<BoxFuture<'_, Result<()>>> {
        let listen = lock(&self.listen).clone();
        listen.descriptor.as_ref()?;
        Some(Box::pin(async move {
            let old = lock(&self.generations).clone();
            self.serve(transport.listen(&self.addr, &listen)?);
            let next = match self.shared.flaw {
                Some(Flaw::SwapEndsRequests) => Phase::End(Instant::now()),
                _ => Phase::Leave,
            };
            for phase in old {
                phase.send_if_modified(|phase| {
                    let serving = *phase == Phase::Serve;
                    if serving {
                        *phase = next;
                    }
                    serving
                });
            }
            Ok(())
        }))
    }
}

/// The accept loop, and the end of its connections.
async fn accept(
    mut listener: Box<dyn Listener>,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut connections = JoinSet::new();
    let keeps_listening = shared.flaw == Some(Flaw::AcceptsWhileDraining);
    loop {
        let incoming = tokio::select! {
            biased;
            () = no_longer(&mut phase, |phase| keeps_listening || *phase == Phase::Serve) => break,
            incoming = poll_fn(|cx| listener.poll_accept(cx)) => incoming,
        };
        match incoming {
            Ok(incoming) => {
                let allowed = (shared.options.on_accept)(incoming.peer_addr());
                if allowed || shared.flaw == Some(Flaw::IgnoresRefusal) {
                    let shared = Arc::clone(&shared);
                    connections.spawn(connection::serve(incoming, shared, phase.clone()));
                }
            }
            // Of one connection, or for want of descriptors (L5): the listener goes on.
            Err(_) => sleep(BACKOFF).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let ignores_deadline = shared.flaw == Some(Flaw::IgnoresDeadline);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = ended(&mut phase), if !ignores_deadline => {}
    }
    connections.shutdown().await;
}

/// Waits until the phase is another; at once when the server is dropped.
async fn no_longer(phase: &mut watch::Receiver<Phase>, is: impl Fn(&Phase) -> bool) {
    // An error means that nobody is left to say anything else.
    let _ = phase.wait_for(|phase| !is(phase)).await;
}

/// Waits until everything is to have ended; at once when the server is dropped.
async fn ended(phase: &mut watch::Receiver<Phase>) {
    loop {
        let now = *phase.borrow_and_update();
        tokio::select! {
            () = until(now) => return,
            // Another shutdown may have an earlier deadline.
            changed = phase.changed() => if changed.is_err() { return },
        }
    }
}

async fn until(phase: Phase) {
    match phase {
        Phase::End(deadline) => sleep_until(deadline).await,
        Phase::Serve | Phase::Leave => std::future::pending().await,
    }
}
