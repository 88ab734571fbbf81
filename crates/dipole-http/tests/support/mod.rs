//! What the server's tests share: a server on a simulated network, and a client that is a script
//! of raw bytes.

#![allow(dead_code, unused_imports, reason = "each test crate uses a part of it")]

mod answer;
mod by_hand;
mod peer;
mod requests;
mod site;
mod watched;

use std::time::Duration;

pub(crate) use answer::{Answer, masked};
pub(crate) use by_hand::{Feed, by_hand};
pub(crate) use peer::{End, Peer, expect_on_time};
pub(crate) use requests::{Calls, describe, handler, read_all, text};
pub(crate) use site::Site;
pub(crate) use watched::{Seen, Watched};

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lets every other task run until all of them wait.
///
/// Under a paused clock the sleep ends when nothing else can run.
pub(crate) async fn settle() {
    tokio::time::sleep(ms(1)).await;
}
