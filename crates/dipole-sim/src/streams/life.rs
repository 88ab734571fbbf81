//! Whether one end takes its connection for alive.
//!
//! Nothing runs in the background: what an end would have heard and done is worked out, in its
//! order, when somebody looks.

use std::collections::BTreeSet;
use std::time::Duration;

use dipole_net::{Error, ErrorKind, Initiator};
use tokio::time::Instant;

use crate::streams::path::sooner;

/// One end's view of the connection's life.
#[derive(Debug)]
pub(crate) struct Life {
    /// The smaller of both ends' idle timeouts.
    idle: Option<Duration>,
    keep_alive: Option<Duration>,
    /// Since when it idles: it has heard something, or sent something for the first time since (RFC
    /// 9000 section 10.1).
    idles_from: Instant,
    has_sent: bool,
    pinged: Instant,
    /// When packets of the peer's arrive.
    coming: BTreeSet<Instant>,
    /// Since when something of its own does not get through.
    held_since: Option<Instant>,
    gives_up_after: Duration,
    /// The peer's last word, and when it arrives.
    ending: Option<(Instant, Error)>,
    ended: Option<Ended>,
}

/// How the connection has ended for one end.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) at: Instant,
    pub(crate) error: Error,
    /// Ended here, what has arrived is not read any more.
    pub(crate) by: Initiator,
}

/// What happens to an end. In this order where it happens at the same time: what comes at the last
/// moment is in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Heard,
    Ending,
    /// It sends something, to be heard of.
    Ping,
    TooLate,
}

impl Life {
    pub(crate) fn new(
        now: Instant,
        idle: Option<Duration>,
        keep_alive: Option<Duration>,
        gives_up_after: Duration,
    ) -> Self {
        Self {
            idle,
            // Sent without a pause, a ping would leave time no chance to pass.
            keep_alive: keep_alive.map(|every| every.max(Duration::from_millis(1))),
            idles_from: now,
            has_sent: false,
            pinged: now,
            coming: BTreeSet::new(),
            held_since: None,
            gives_up_after,
            ending: None,
            ended: None,
        }
    }

    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// A packet of the peer's arrives then.
    pub(crate) fn will_hear(&mut self, at: Instant) {
        self.coming.insert(at);
    }

    /// This end has sent a packet.
    pub(crate) fn has_sent(&mut self, now: Instant) {
        if !self.has_sent {
            self.has_sent = true;
            self.idles_from = self.idles_from.max(now);
        }
    }

    /// What this end has sent at `since` does not get through.
    pub(crate) fn is_held(&mut self, since: Instant) {
        self.held_since = sooner(self.held_since, Some(since));
    }

    /// All gets through again; gives since when it had not.
    pub(crate) fn gets_through(&mut self) -> Option<Instant> {
        self.held_since.take()
    }

    /// The connection ends with `error` then, unless it ends before.
    pub(crate) fn will_end(&mut self, at: Instant, error: Error) {
        if self.ending.as_ref().is_none_or(|(known, _)| at < *known) {
            self.ending = Some((at, error));
        }
    }

    /// The peer's last word is on its way.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The connection has ended; the first end counts.
    pub(crate) fn end(&mut self, at: Instant, error: Error, by: Initiator) {
        self.ended.get_or_insert(Ended { at, error, by });
        self.coming.clear();
    }

    /// When the connection will have ended, as far as is known.
    pub(crate) fn end_at(&self) -> Option<Instant> {
        sooner(self.ending.as_ref().map(|(at, _)| *at), self.too_late_at())
    }

    /// What happens next; `None` once it has ended.
    pub(crate) fn next(&self) -> Option<(Instant, Event)> {
        if self.ended.is_some() {
            return None;
        }
        let ping = self.keep_alive.and_then(|every| {
            let from = self.idles_from.max(self.pinged);
            from.checked_add(every)
        });
        let events = [
            (self.coming.first().copied(), Event::Heard),
            (self.ending.as_ref().map(|(at, _)| *at), Event::Ending),
            (ping, Event::Ping),
            (self.too_late_at(), Event::TooLate),
        ];
        events.into_iter().filter_map(|(at, event)| Some((at?, event))).min()
    }

    /// Lets an event that [`next`](Self::next) gave happen.
    pub(crate) fn pass(&mut self, at: Instant, event: Event) {
        match event {
            Event::Heard => {
                self.coming.pop_first();
                self.idles_from = self.idles_from.max(at);
                self.has_sent = false;
            }
            Event::Ending => {
                if let Some((at, error)) = self.ending.take() {
                    self.end(at, error, Initiator::Peer);
                }
            }
            Event::Ping => {
                self.pinged = at;
                self.has_sent(at);
            }
            Event::TooLate => self.end(at, ErrorKind::TimedOut.into(), Initiator::Peer),
        }
    }

    fn too_late_at(&self) -> Option<Instant> {
        let idle = self.idle.and_then(|idle| self.idles_from.checked_add(idle));
        let held = self.held_since.and_then(|since| since.checked_add(self.gives_up_after));
        sooner(idle, held)
    }
}
