//! What a client does around its requests, as tower layers for
//! [`Client::layer`](dipole_http::Client::layer).
//!
//! | layer | what it does | feature |
//! |---|---|---|
//! | [`Redirects`] | follows redirects | |
//! | [`Retries`] | sends again what does no harm, with a backoff and a budget | |
//! | [`Cookies`] | keeps cookies and sends them back | `cookies`; `public-suffixes` for a list of these |
//! | [`Decoding`] | asks for compressed bodies and decodes them | `gzip`, `br`, `zstd`, `deflate` |
//!
//! Put them on in this order, from the inside out: decoding, cookies, retries, redirects. So each
//! request of a chain of redirects has its own cookies and its own tries.
//!
//! ```no_run
//! use dipole_fetch::{Redirects, Retries};
//! use dipole_http::{Client, ResponseExt};
//!
//! # async fn run(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let client = client.layer(Retries::default()).layer(Redirects::default());
//! let page = client.get("http://example.org/").send().await?.text().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A request is sent a second time only when its body is all there
//! ([`Body::held`](dipole_http::Body::held)); a stream cannot be had twice.

#![forbid(unsafe_code)]

mod around;
#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "decoding")]
mod decoding;
mod location;
mod redirects;
mod repeatable;
mod retries;

pub use around::Around;
#[cfg(feature = "cookies")]
pub use cookies::Cookies;
#[cfg(feature = "decoding")]
pub use decoding::{Decoding, DecodingBody, DecodingService};
pub use redirects::{Redirected, Redirects};
pub use retries::Retries;
