//! How a network behaves.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How a [`Network`](crate::Network) behaves; the default is faultless.
///
/// A connection keeps the configuration that the network had when it was dialled. An empty range
/// (its end before its start) means its start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What every random choice comes from, together with the connection's number and direction.
    /// Default 0.
    pub seed: u64,
    /// How long a chunk is under way, drawn for each chunk; order is kept. A dial takes two of
    /// these. Default zero.
    pub latency: RangeInclusive<Duration>,
    /// Where the stream is cut as the reader sees it: lengths in bytes, at least 1. One read then
    /// brings one chunk, unless more is asked for. Default `None`: chunks as written.
    pub chunk: Option<RangeInclusive<usize>>,
    /// Chunks that are late; what follows them waits. Default never.
    pub stall: Stall,
    /// How probably a chunk breaks the connection off instead of arriving, 0.0 to 1.0. Default 0.
    pub reset_probability: f64,
    /// Bytes under way in one direction; a flush waits beyond them. Default 256 KiB, at least 1.
    pub capacity: usize,
    /// Chunks under way in one direction, however small; a flush waits beyond them. Default 4096,
    /// at least 1.
    pub chunk_capacity: usize,
    /// The most that one read takes beyond what was asked for, in bytes. Default 32 KiB, at
    /// least 1.
    pub read_size: usize,
    /// The most connections that a listener queues, whatever
    /// [`ListenOptions::backlog`](dipole_net::ListenOptions::backlog) asks for; dials wait beyond
    /// them. Default 4096, at least 1.
    pub backlog: usize,
    /// What the peer sees when a connection is closed that has not read everything. Default
    /// [`UnreadAtClose::Ends`].
    pub unread_at_close: UnreadAtClose,
}

/// Chunks that are late by more than the latency.
#[derive(Debug, Clone)]
pub struct Stall {
    /// How probably a chunk is, 0.0 to 1.0.
    pub probability: f64,
    /// By how much.
    pub length: RangeInclusive<Duration>,
}

/// What the peer sees when a connection is closed while bytes for it are unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UnreadAtClose {
    /// What was flushed, then the end, as after any close.
    #[default]
    Ends,
    /// A reset, which may cost it what was flushed, as TCP does (RFC 2525 section 2.17).
    Resets,
}

/// Whether a name can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reach {
    /// As listeners are there.
    #[default]
    Open,
    /// A dial fails with `Unreachable`.
    Unreachable,
    /// A dial is never answered: it waits for its timeout.
    Silent,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: Duration::ZERO..=Duration::ZERO,
            chunk: None,
            stall: Stall { probability: 0.0, length: Duration::ZERO..=Duration::ZERO },
            reset_probability: 0.0,
            capacity: 256 * 1024,
            chunk_capacity: 4096,
            read_size: 32 * 1024,
            backlog: 4096,
            unread_at_close: UnreadAtClose::Ends,
        }
    }
}

impl Config {
    /// Hard to live with but lossless: chunks of 1 to 2000 bytes, 0 to 5 ms under way, one in
    /// fifty stalled for 20 to 200 ms.
    #[must_use]
    pub fn rough(seed: u64) -> Self {
        let ms = Duration::from_millis;
        Self {
            seed,
            latency: ms(0)..=ms(5),
            chunk: Some(1..=2000),
            stall: Stall { probability: 0.02, length: ms(20)..=ms(200) },
            ..Self::default()
        }
    }
}
