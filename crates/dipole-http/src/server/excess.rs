//! How much too much a client does of something.

use std::time::Duration;

use tokio::time::Instant;

/// After so long, what was too much before is forgiven.
const SPAN: Duration = Duration::from_secs(10);

/// A count of what costs the server more than the client, beyond what the client's useful work makes
/// up for. It looks at the clock only where it is beyond its limit.
#[derive(Debug)]
pub(crate) struct Excess {
    count: u32,
    most: u32,
    /// When counting began, or was last forgiven.
    since: Instant,
}

impl Excess {
    /// More than `most` within ten seconds is too much.
    pub(crate) fn new(most: u32) -> Self {
        Self { count: 0, most, since: Instant::now() }
    }

    pub(crate) fn count(&mut self, more: u32) -> &mut Self {
        self.count = self.count.saturating_add(more);
        self
    }

    pub(crate) fn make_up(&mut self, less: u32) {
        self.count = self.count.saturating_sub(less);
    }

    pub(crate) fn is_too_much(&mut self) -> bool {
        if self.count <= self.most {
            return false;
        }
        let now = Instant::now();
        if now - self.since < SPAN {
            return true;
        }
        (self.count, self.since) = (0, now);
        false
    }
}
