//! What the server's tests share: a server on a simulated network, and a client that is a script
//! of raw bytes.

#![allow(dead_code, unused_imports, reason = "each test crate uses a part of it")]

mod answer;
mod by_hand;
mod peer;
mod requests;
mod site;
mod watched;
mod web_socket;

use std::io::Write;
use std::time::Duration;

pub(crate) use answer::{Answer, masked};
pub(crate) use by_hand::{Feed, by_hand};
pub(crate) use peer::{End, Peer, expect_on_time};
pub(crate) use requests::{Calls, describe, handler, read_all, text};
pub(crate) use site::Site;
pub(crate) use watched::{Seen, watched, watched_and_configured};
pub(crate) use web_socket::{shouting_socket, text_frame};

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

/// Ends the test run when everything waits for what never comes, which would be for ever.
///
/// Under a paused clock such a standstill moves the clock on to the next timer, which is then this.
pub(crate) fn watch_for_standstill() {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    tokio::spawn(async move {
        tokio::time::sleep(secs(10_000_000)).await;
        // Not with a macro: what those print is captured, and would be lost.
        let _ = writeln!(std::io::stderr(), "{name} waits for what never comes");
        std::process::abort();
    });
}
