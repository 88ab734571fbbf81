//! Who is woken when, and what is dropped outside of the lock.

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::ring::Payload;
use crate::slots::Key;

/// What is not to be woken or dropped under the lock: either may run anybody's code.
#[derive(Default)]
pub(crate) struct Leftovers {
    pub(crate) to_wake: Vec<Waker>,
    pub(crate) to_drop: Vec<Waste>,
}

/// Dropped once the lock is not held.
pub(crate) enum Waste {
    Waker(#[allow(dead_code, reason = "held to be dropped")] Waker),
    Payload(#[allow(dead_code, reason = "held to be dropped")] Payload),
}

impl Leftovers {
    pub(crate) fn is_empty(&self) -> bool {
        self.to_wake.is_empty() && self.to_drop.is_empty()
    }

    /// Wakes and drops what may run anybody's code; the memory is left.
    pub(crate) fn settle(&mut self) {
        self.to_wake.drain(..).for_each(Waker::wake);
        self.to_drop.clear();
    }
}

/// Remembers who waits, in place of whoever did before.
pub(super) fn remember(place: &mut Option<Waker>, waker: &Waker, leftovers: &mut Leftovers) {
    if place.as_ref().is_some_and(|known| known.will_wake(waker)) {
        return;
    }
    leftovers.to_drop.extend(place.replace(waker.clone()).map(Waste::Waker));
}

/// How often is looked for those who have waited for long; they wait twice as long at most.
const LOOK: Duration = Duration::from_millis(5);

/// The most sockets that are withheld. What each holds meanwhile, in its task, is cold in the cache when the
/// answer comes: with many more, that costs more than a poll.
const MOST: usize = 128;

/// The sockets whose bytes are sent, and whose owners are not told so yet: they have always waited for
/// an answer next, and one poll does for both. They are told when the answer comes, when the thread
/// has nothing else to do, or when they have waited for [`LOOK`].
#[derive(Default)]
pub(super) struct Withheld {
    keys: Vec<Key>,
    /// Counts the looks.
    round: u32,
    looked: Option<Instant>,
}

/// Since when a socket is withheld, as of [`Withheld`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Since {
    round: u32,
    /// The list has its key, also when it is not withheld any more.
    is_listed: bool,
}

impl Withheld {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one more can be withheld.
    pub(super) fn has_room(&self, since: Since) -> bool {
        since.is_listed || self.keys.len() < MOST
    }

    /// Withholds a socket from now on.
    pub(super) fn add(&mut self, key: Key, since: &mut Since) {
        if !since.is_listed {
            self.keys.push(key);
        }
        *since = Since { round: self.round, is_listed: true };
    }

    /// Asks each socket whether it stays; those that were withheld before `limit` do not. Without `now`
    /// none does. With it, nobody is asked before it is time.
    pub(super) fn look(&mut self, now: Option<Instant>, mut stays: impl FnMut(Key, Limit) -> bool) {
        if self.keys.is_empty() {
            return;
        }
        let mut limit = Limit(None);
        if let Some(now) = now {
            let is_early = |looked: Instant| now.saturating_duration_since(looked) < LOOK;
            if self.looked.is_some_and(is_early) {
                return;
            }
            (self.looked, limit) = (Some(now), Limit(Some(self.round)));
            self.round = self.round.wrapping_add(1);
        }
        self.keys.retain(|key| stays(*key, limit));
    }
}

/// Which sockets do not stay withheld.
#[derive(Clone, Copy)]
pub(super) struct Limit(Option<u32>);

impl Since {
    /// Whether a socket that is withheld stays so.
    pub(super) fn is_within(self, limit: Limit) -> bool {
        limit.0 == Some(self.round)
    }

    /// The list has its key no more.
    pub(super) fn unlist(&mut self) {
        self.is_listed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::Slots;

    /// Who does not stay, at a look.
    fn told(withheld: &mut Withheld, sockets: &mut Slots<Since>, now: Option<Instant>) -> Vec<Key> {
        let mut told = Vec::new();
        withheld.look(now, |key, limit| {
            let since = sockets.get_mut(key).unwrap();
            let stays = since.is_within(limit);
            if !stays {
                since.unlist();
                told.push(key);
            }
            stays
        });
        told
    }

    #[test]
    fn who_is_withheld_is_told_after_one_look_and_before_the_third_or_when_nothing_else_is_to_do() {
        let (mut withheld, mut sockets) = (Withheld::default(), Slots::default());
        let keys = [(); 3].map(|()| sockets.insert(Since::default()));
        let start = Instant::now();
        withheld.add(keys[0], sockets.get_mut(keys[0]).unwrap());
        // The first look finds nobody who has waited since an earlier one.
        assert_eq!(told(&mut withheld, &mut sockets, Some(start)), []);
        withheld.add(keys[1], sockets.get_mut(keys[1]).unwrap());
        assert_eq!(told(&mut withheld, &mut sockets, Some(start + LOOK / 2)), []);
        assert_eq!(told(&mut withheld, &mut sockets, Some(start + LOOK)), [keys[0]]);
        withheld.add(keys[2], sockets.get_mut(keys[2]).unwrap());
        // Withheld anew: it has not waited for long.
        withheld.add(keys[1], sockets.get_mut(keys[1]).unwrap());
        assert_eq!(told(&mut withheld, &mut sockets, Some(start + 2 * LOOK)), []);
        assert!(!withheld.is_empty());
        assert_eq!(told(&mut withheld, &mut sockets, None), [keys[1], keys[2]]);
        assert!(withheld.is_empty());
    }
}
