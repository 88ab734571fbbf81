//! The HTTP/3 client against servers that are scripts, on simulated streams in virtual time.

#[path = "../client/fake_tls.rs"]
mod fake_tls;
#[expect(dead_code, reason = "the other versions need more of it")]
#[path = "../client/far.rs"]
mod far;
#[expect(dead_code, reason = "the other versions need more of it")]
#[path = "../client/far_http2.rs"]
mod far_http2;
mod far_http3;
mod given_up;
mod wire;

mod bodies;
mod both_ends;
mod connections;
mod early_data;
mod misbehaving;
mod proxies;
mod race;
mod requests;
mod service_records;
mod tunnels;
