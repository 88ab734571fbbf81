//! What befalls hosts and the ways between them, while connections live.

use std::time::{Duration, SystemTime};

use crate::place::lower_case;
use crate::{Config, Network};

/// Which way a host's wall clock jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jump {
    /// Towards the future, by this much.
    Forward(Duration),
    /// Towards the past, by this much.
    Back(Duration),
}

/// Where every host's wall clock begins: the first second of 2030.
const FIRST_SECOND: Duration = Duration::from_secs(1_893_456_000);

/// **Ways and hosts.** A host is a name or an IP address; a way leads from one to another, and the
/// way back is one of its own. What is under way when a way is cut still arrives. What is sent
/// later is held, and sent again when the way is open: after [`Loss::resend_after`] as often as the
/// time calls for. Datagrams are lost. A sender that waits for [`Loss::give_up_after`] is broken
/// off alone, and its peer does not learn of it.
///
/// [`Loss::resend_after`]: crate::Loss::resend_after
/// [`Loss::give_up_after`]: crate::Loss::give_up_after
impl Network {
    /// How later connections and all datagrams from `from` to `to` behave, in this direction
    /// alone, in place of [`set_config`](Self::set_config).
    pub fn set_way(&self, from: &str, to: &str, config: Config) {
        self.lock().ways.insert((lower_case(from), lower_case(to)), config);
    }

    /// Nothing gets from `from` to `to` any more; the way back stays as it is.
    pub fn cut(&self, from: &str, to: &str) {
        self.shared.ledger.log(format_args!("{from} > {to} is cut"));
        self.lock().cuts.insert((lower_case(from), lower_case(to)));
        self.look_at_ways();
    }

    /// Undoes a [`cut`](Self::cut).
    pub fn mend(&self, from: &str, to: &str) {
        self.shared.ledger.log(format_args!("{from} > {to} is mended"));
        self.lock().cuts.remove(&(lower_case(from), lower_case(to)));
        self.look_at_ways();
    }

    /// Nothing gets from a host of one side to one of the other any more, both ways.
    pub fn partition(&self, one: &[&str], other: &[&str]) {
        for (one, other) in one.iter().flat_map(|one| other.iter().map(move |other| (one, other))) {
            self.cut(one, other);
            self.cut(other, one);
        }
    }

    /// Undoes every [`cut`](Self::cut) and [`partition`](Self::partition).
    pub fn mend_all(&self) {
        self.shared.ledger.log(format_args!("all is mended"));
        self.lock().cuts.clear();
        self.look_at_ways();
    }

    /// The host goes down without a word: its listeners, its datagram sockets and its ends of
    /// connections are gone. Peers notice only that nothing comes any more. Whoever still uses an
    /// end of it sees `Reset`, and its listeners give nothing more. Twice is fine.
    pub fn crash(&self, host: &str) {
        let host = lower_case(host);
        self.shared.ledger.log(format_args!("{host} crashes"));
        let mut state = self.lock();
        state.down.insert(host.clone());
        state.known.insert(host.clone());
        let ports = state.bounds.keys().filter(|(_, place)| place.name == host);
        let ports: Vec<_> = ports.cloned().collect();
        let bounds: Vec<_> = ports.iter().filter_map(|port| state.bounds.remove(port)).collect();
        let mailboxes: Vec<_> = {
            let places = state.mailboxes.keys().filter(|place| place.name == host);
            let places: Vec<_> = places.cloned().collect();
            places.iter().filter_map(|place| state.mailboxes.remove(place)).collect()
        };
        drop(state);
        self.look_at_ways();
        for link in self.shared.ledger.links() {
            link.crash(&host);
        }
        mailboxes.iter().for_each(|mailbox| mailbox.close());
        for bound in bounds {
            bound.dialers.into_values().for_each(std::task::Waker::wake);
            let queued = bound.shards.into_iter().flatten().flat_map(|shard| shard.queue);
            queued.for_each(drop);
        }
    }

    /// The host is up again, with nothing of what it was: it can listen and dial, and what still
    /// comes for a connection from before is answered by a reset.
    pub fn restart(&self, host: &str) {
        let host = lower_case(host);
        self.shared.ledger.log(format_args!("{host} restarts"));
        self.lock().down.remove(&host);
        for link in self.shared.ledger.links() {
            link.restart(&host);
        }
        self.look_at_ways();
    }

    /// The wall clock of this value's host ([`at`](Self::at)): the year 2030 begins when the network
    /// does; it runs with tokio's clock, and jumps when told to.
    #[must_use]
    pub fn wall_clock(&self) -> SystemTime {
        let ahead = self.name.as_ref().and_then(|name| self.lock().clocks.get(name).copied());
        let ahead = ahead.unwrap_or_default();
        let by = Duration::from_nanos(u64::try_from(ahead.unsigned_abs()).unwrap_or(u64::MAX));
        let straight = SystemTime::UNIX_EPOCH + FIRST_SECOND + self.shared.begin.elapsed();
        if ahead < 0 { straight - by } else { straight + by }
    }

    /// The wall clock of `host` jumps. Timers, which follow the steady clock, do not.
    pub fn jump_clock(&self, host: &str, jump: Jump) {
        self.shared.ledger.log(format_args!("the clock of {host} jumps: {jump:?}"));
        let by = match jump {
            Jump::Forward(by) => by.as_nanos() as i128,
            Jump::Back(by) => -(by.as_nanos() as i128),
        };
        *self.lock().clocks.entry(lower_case(host)).or_default() += by;
    }

    /// Begins to write down every event: connections, what is sent and read, faults. The same
    /// scenario under the same seed gives the same text.
    pub fn begin_log(&self) {
        self.shared.ledger.begin_log();
    }

    /// The events since [`begin_log`](Self::begin_log), a line each, with the time since then in
    /// seconds; `#3>` is what the dialling end of the third connection did, `#3<` the other. Empty
    /// without a log.
    #[must_use]
    pub fn log(&self) -> String {
        self.shared.ledger.log_text()
    }

    fn look_at_ways(&self) {
        for link in self.shared.ledger.links() {
            link.settle();
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        let ways: Vec<_> = state.wires.keys().cloned().collect();
        for (from, to) in ways {
            let passage = state.passage(&from, &to);
            if let Some(wire) = state.wires.get(&(from, to)) {
                wire.set_passage(passage);
            }
        }
        drop(guard);
        for link in self.shared.ledger.links() {
            link.look_at_ways();
        }
    }
}
