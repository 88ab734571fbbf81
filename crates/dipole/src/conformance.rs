//! The HTTP server as the host that the conformance kit runs a network library under.
//!
//! ```no_run
//! use std::sync::Arc;
//! use dipole::conformance::{HttpHost, Subject, judge};
//! # async fn example<L>(library: L) -> Result<(), dipole::conformance::UnknownCase>
//! # where L: dipole::net::Transport + dipole::net::Dialer + 'static {
//! let library = Arc::new(library);
//! let subject = Subject {
//!     name: "mine".into(),
//!     transport: library.clone(),
//!     dialer: library,
//!     addresses: vec!["127.0.0.1:0".parse().expect("an address")],
//!     host: Some(Arc::new(HttpHost)),
//!     tls: None,
//! };
//! let report = judge(subject, Some("L"), |_| {}).await?;
//! println!("{}", report.table());
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "tls")]
mod tls;

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tokio::runtime::Handle;
use bytes::Bytes;
pub use dipole_conformance::*;
use dipole_http::{Admission, Body, Server, ServerConfig, ServerHandle, WhenClientLeaves};
use dipole_net::{Addr, BoxFuture, Result, Transport};
use http::{Request, Response, StatusCode};
use tower_service::Service;

#[cfg(feature = "tls")]
pub use self::tls::Rustls;

/// This crate's HTTP server, speaking HTTP/1.1. It serves on the caller's runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpHost;

impl Host for HttpHost {
    fn start<'a>(
        &'a self,
        transport: Arc<dyn Transport>,
        addr: &'a Addr,
        options: HostOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Running>>> {
        Box::pin(async move {
            let mut config = ServerConfig::default();
            if !options.cancel_on_disconnect {
                config.when_client_leaves = WhenClientLeaves::FinishHandler;
            }
            let HostOptions { workers, on_accept, on_connect, .. } = options;
            let server = Server::new(Paths)
                .config(config)
                .workers(workers.max(1))
                .on_accept(move |peer| admission(on_accept(peer)))
                .on_connect(move |info| admission(on_connect(info.peer_addr())))
                .listen(addr.clone(), transport)
                .spawn()?;
            Ok(Box::new(RunningServer { server }) as Box<dyn Running>)
        })
    }

    fn quick_request(&self) -> Bytes {
        get("/quick")
    }

    fn slow_request(&self, delay: Duration) -> Bytes {
        get(&format!("/slow?{}", delay.as_millis()))
    }

    fn panicking_request(&self) -> Bytes {
        get("/panic")
    }

    fn parse_answer(&self, bytes: &[u8]) -> Option<Answer> {
        let head_length = bytes.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..head_length]);
        let (status_line, fields) = head.split_once("\r\n")?;
        let body_length = fields.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok()).flatten()
        });
        let length = head_length + body_length?;
        let ok = status_line.split(' ').nth(1) == Some("200");
        (bytes.len() >= length).then_some(Answer { length, ok })
    }
}

fn admission(admits: bool) -> Admission {
    if admits { Admission::Admit } else { Admission::Refuse }
}

fn get(target: &str) -> Bytes {
    format!("GET {target} HTTP/1.1\r\nhost: conformance\r\n\r\n").into()
}

/// Does what the path of the request says.
#[derive(Clone, Copy)]
struct Paths;

impl Service<Request<Body>> for Paths {
    type Response = Response<Body>;
    type Error = http::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, http::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), http::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let status = match request.uri().path() {
                "/quick" => StatusCode::OK,
                "/slow" => {
                    let millis = request.uri().query().and_then(|query| query.parse().ok());
                    ::tokio::time::sleep(Duration::from_millis(millis.unwrap_or(0))).await;
                    StatusCode::OK
                }
                // As `panic!`, but without a message on stderr.
                "/panic" => resume_unwind(Box::new("asked for")),
                _ => StatusCode::NOT_FOUND,
            };
            Response::builder().status(status).body(Body::from("ok"))
        })
    }
}

/// A server that the kit has started.
struct RunningServer {
    server: ServerHandle,
}

impl Running for RunningServer {
    fn local_addr(&self) -> Addr {
        self.server.local_addrs()[0].clone()
    }

    fn shutdown(&self, deadline: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Whether anything was cut short shows in what becomes of the handlers.
            let _ = self.server.shutdown(deadline).await;
        })
    }

    fn handlers(&self) -> Handlers {
        let stats = self.server.stats();
        Handlers { begun: stats.requests, panicked: stats.panics, cancelled: stats.cancelled }
    }

    #[cfg(unix)]
    fn swap(&self, transport: Arc<dyn Transport>) -> Option<BoxFuture<'_, Result<()>>> {
        // Without descriptors there is no socket to pass on.
        transport.capabilities().descriptors.then(|| {
            Box::pin(async move { self.server.swap_transport(&self.local_addr(), transport).await })
                as BoxFuture<'_, _>
        })
    }

    #[cfg(not(unix))]
    fn swap(&self, _: Arc<dyn Transport>) -> Option<BoxFuture<'_, Result<()>>> {
        None
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // Without a runtime the server has ended already, for it ran on it.
        if let Ok(runtime) = Handle::try_current() {
            let server = self.server.clone();
            runtime.spawn(async move { server.shutdown(Duration::ZERO).await });
        }
    }
}
