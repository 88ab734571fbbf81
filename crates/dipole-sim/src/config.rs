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
    /// Bytes per second that everything from one host to another shares. Default `None`: no limit.
    pub bandwidth: Option<u64>,
    /// What becomes of packets that are lost. Default: none is.
    pub loss: Loss,
    /// What befalls datagrams alone.
    pub datagrams: Datagrams,
}

/// Packets that do not arrive. A datagram is gone then; a stream sees a delay, for its packets are
/// sent again: after `resend_after`, then after twice that, and so on up to two minutes (RFC 6298).
#[derive(Debug, Clone)]
pub struct Loss {
    /// How probably a packet of up to 1460 bytes is lost, 0.0 to 1.0. Default 0.
    pub probability: f64,
    /// How long a stream's sender waits before it sends a packet again for the first time. Default
    /// 200 ms.
    pub resend_after: Duration,
    /// How long a stream's sender goes on trying. Its own end is then broken off, and the peer
    /// does not learn of it. Default 15 minutes.
    pub give_up_after: Duration,
}

/// What befalls datagrams and never a stream.
#[derive(Debug, Clone)]
pub struct Datagrams {
    /// The longest that arrives, in bytes; a longer one is lost. Default 1472, which is Ethernet's.
    pub size: usize,
    /// How probably one arrives twice, 0.0 to 1.0. Default 0.
    pub duplicate_probability: f64,
    /// How probably one is overtaken by later ones, 0.0 to 1.0. Default 0.
    pub reorder_probability: f64,
    /// By how much one that is overtaken is late.
    pub reorder_delay: RangeInclusive<Duration>,
    /// How long one may wait for its turn where the bandwidth is limited; beyond it it is lost.
    /// Default 200 ms.
    pub queue: Duration,
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
            bandwidth: None,
            loss: Loss::default(),
            datagrams: Datagrams::default(),
        }
    }
}

impl Default for Loss {
    fn default() -> Self {
        Self {
            probability: 0.0,
            resend_after: Duration::from_millis(200),
            give_up_after: Duration::from_secs(15 * 60),
        }
    }
}

impl Default for Datagrams {
    fn default() -> Self {
        Self {
            size: 1472,
            duplicate_probability: 0.0,
            reorder_probability: 0.0,
            reorder_delay: Duration::from_millis(1)..=Duration::from_millis(20),
            queue: Duration::from_millis(200),
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

    /// A path across the Internet on a bad day: 20 to 50 ms, 10 Mbit/s, `loss` of all packets
    /// lost, one datagram in fifty overtaken, one in a hundred doubled.
    #[must_use]
    pub fn far(seed: u64, loss: f64) -> Self {
        let ms = Duration::from_millis;
        Self {
            seed,
            latency: ms(20)..=ms(50),
            bandwidth: Some(1_250_000),
            loss: Loss { probability: loss, ..Loss::default() },
            datagrams: Datagrams {
                duplicate_probability: 0.01,
                reorder_probability: 0.02,
                ..Datagrams::default()
            },
            ..Self::default()
        }
    }
}
