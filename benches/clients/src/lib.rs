//! What the clients have in common: 64 requests under way at a time, and the CPU time of each.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Requests that are under way at a time, each with a connection of its own.
pub const CONNECTIONS: usize = 64;

/// What the command line says: where the server is, and how many requests each connection makes.
pub struct Load {
    pub server: SocketAddr,
    pub requests: usize,
}

impl Load {
    /// `CLIENT ADDRESS:PORT REQUESTS`, the requests in all.
    pub fn of_arguments() -> Self {
        let mut arguments = std::env::args().skip(1);
        let server = arguments.next().and_then(|text| text.parse().ok());
        let requests = arguments.next().and_then(|text| text.parse::<usize>().ok());
        match (server, requests) {
            (Some(server), Some(requests)) => Self { server, requests: requests / CONNECTIONS },
            _ => {
                eprintln!("usage: CLIENT ADDRESS:PORT REQUESTS");
                std::process::exit(2);
            }
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.server)
    }

    /// Makes `request` by 64 tasks on a runtime of one thread.
    pub fn run<C, F>(&self, request: impl Fn(C) -> F + Clone + 'static, clients: Vec<C>)
    where
        C: Clone + 'static,
        F: Future<Output = ()> + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(self.tasks(request, clients));
    }

    /// The same on whatever runtime it is awaited on, one of a single thread.
    pub async fn tasks<C, F>(&self, request: impl Fn(C) -> F + Clone + 'static, clients: Vec<C>)
    where
        C: Clone + 'static,
        F: Future<Output = ()> + 'static,
    {
        tokio::task::LocalSet::new().run_until(self.rounds(request, clients)).await;
    }

    async fn rounds<C, F>(&self, request: impl Fn(C) -> F + Clone + 'static, clients: Vec<C>)
    where
        C: Clone + 'static,
        F: Future<Output = ()> + 'static,
    {
        let mut measure = None;
        for requests in [self.requests / 10, self.requests] {
            measure = Some(Measure::begin());
            let tasks: Vec<_> = clients
                .iter()
                .cloned()
                .map(|client| {
                    let request = request.clone();
                    tokio::task::spawn_local(async move {
                        for _ in 0..requests {
                            request(client.clone()).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        }
        if let Some(measure) = measure {
            measure.tell(self.requests * CONNECTIONS);
        }
    }
}

/// The process's CPU time from here on.
pub struct Measure {
    cpu: Duration,
    began: Instant,
}

impl Measure {
    pub fn begin() -> Self {
        Self { cpu: cpu(), began: Instant::now() }
    }

    /// Writes microseconds of CPU time and of the clock a request.
    pub fn tell(&self, requests: usize) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / requests as f64;
        println!("{:.3} {:.3}", each(cpu() - self.cpu), each(self.began.elapsed()));
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).expect("below a second");
    Duration::new(u64::try_from(time.tv_sec).expect("it is since the start"), nanoseconds)
}

/// The answer is what the server's `/` says.
pub fn check(status: impl Display + PartialEq<u16>, body: &[u8]) {
    assert!(status == 200 && body == b"Hello, World!", "{status}: {}", body.escape_ascii());
}
