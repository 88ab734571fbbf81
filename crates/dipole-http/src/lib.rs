//! HTTP on any network library: a server for tower services, and a client.
//!
//! The server serves a `tower::Service<http::Request<Body>>`, such as an axum `Router`, on any
//! number of addresses, each with a network library of its own. It owns the life cycle, once for
//! all libraries: accepting, limits, deadlines, draining.
//!
//! This crate knows no concrete network library: only the contract, `dipole-net`.
//!
//! | folder | what it is |
//! |---|---|
//! | `server/` | workers, accept loop, limits, drain |
//! | `h1/server/` | HTTP/1.1, the server's end of a connection |
//! | `h1/client/` | HTTP/1.1, the client's end of a connection |
//! | `h1/codec/` | HTTP/1.1 as bytes in and bytes out |
//! | `h2/client/` | HTTP/2 by hyper, the client's end of a connection |
//! | `h2/server/` | HTTP/2 by hyper, the server's end of a connection |
//! | `h3/client/` | HTTP/3, the client's end of a connection |
//! | `h3/codec/` | HTTP/3 as bytes in and bytes out |
//! | `h3/server/` | HTTP/3, the server's end of a connection |
//! | `runtime/` | what hyper asks of a runtime |
//! | `client/` | the client and its pool |

#![forbid(unsafe_code)]

mod body;
mod client;
mod config;
mod h1;
mod h2;
mod h3;
mod runtime;
mod server;
mod service;
mod upload;

pub use body::{Body, BodyError};
pub use client::{
    BodyStream, Client, ClientBuilder, ClientConfig, ClientError, ClientErrorKind, ClientService,
    ConnectionReport, DEFAULT_BODY_LIMIT, Deadline, Forwarding, Multipart, ProtocolChoice,
    ReadError, ReportConnection, RequestBuilder, RequestTimeout, ResponseExt, SendRequest,
    ServiceRecord, ServiceRecords, StatusError, Via,
};
pub use config::{ServerConfig, WhenClientLeaves};
pub use h2::Http2Config;
pub use h2::client::Http2ClientConfig;
pub use h3::Http3Config;
pub use h3::client::Http3ClientConfig;
pub use server::{
    Admission, AltSvc, Answer, AnswerBody, ConnectionInfo, Drained, Exchanges, OwnAnswer, Protocol,
    Reached, Server, ServerHandle, ServerStats, Session,
};
pub use service::{BoxError, HttpService};
