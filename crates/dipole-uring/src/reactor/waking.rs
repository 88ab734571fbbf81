//! Who is woken when, and what is dropped outside of the lock.

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::ring::Payload;

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

/// The sockets whose bytes are sent, and whose owners are not told so yet: they have always waited for
/// an answer next, and one poll does for both. They are told when the answer comes, when the thread
/// has nothing else to do, or when they have waited for [`LOOK`].
///
/// A socket is named by its place in the table. What is known of each is side by side here: with a
/// thousand of them, to look at the sockets themselves would bring each into the cache.
#[derive(Default)]
pub(super) struct Withheld {
    /// Each once: those that are withheld, and some that were.
    listed: Vec<usize>,
    /// Of each place in the table.
    since: Vec<Since>,
    /// Counts the looks.
    round: u32,
    looked: Option<Instant>,
}

/// Since when a socket is withheld.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Since {
    /// It is not.
    #[default]
    Never,
    /// It was, and is still listed.
    Over,
    /// The look after which it was.
    Round(u32),
}

impl Withheld {
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Withholds the socket at `index` from now on.
    pub(super) fn add(&mut self, index: usize) {
        if self.since.len() <= index {
            self.since.resize(index + 1, Since::Never);
        }
        if self.since[index] == Since::Never {
            self.listed.push(index);
        }
        self.since[index] = Since::Round(self.round);
    }

    /// The owner of the socket at `index` knows, or is told otherwise.
    #[inline]
    pub(super) fn remove(&mut self, index: usize) {
        if let Some(since @ Since::Round(_)) = self.since.get_mut(index) {
            *since = Since::Over;
        }
    }

    /// Gives all sockets that are withheld, which are not any more. With `now` only those that have been for long,
    /// and none before it is time.
    pub(super) fn look(&mut self, now: Option<Instant>, mut tell: impl FnMut(usize)) {
        if self.listed.is_empty() {
            return;
        }
        let mut stays = None;
        if let Some(now) = now {
            let is_early = |looked: Instant| now.saturating_duration_since(looked) < LOOK;
            if self.looked.is_some_and(is_early) {
                return;
            }
            (self.looked, stays) = (Some(now), Some(Since::Round(self.round)));
            self.round = self.round.wrapping_add(1);
        }
        let since = &mut self.since;
        self.listed.retain(|&index| {
            if Some(since[index]) == stays {
                return true;
            }
            if let Since::Round(_) = std::mem::take(&mut since[index]) {
                tell(index);
            }
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who does not stay, at a look.
    fn told(withheld: &mut Withheld, now: Option<Instant>) -> Vec<usize> {
        let mut told = Vec::new();
        withheld.look(now, |index| told.push(index));
        told
    }

    #[test]
    fn who_is_withheld_is_told_after_one_look_and_before_the_third_or_when_nothing_else_is_to_do() {
        let (mut withheld, start) = (Withheld::default(), Instant::now());
        withheld.add(7);
        // The first look finds nobody who has waited since an earlier one.
        assert_eq!(told(&mut withheld, Some(start)), []);
        withheld.add(1);
        assert_eq!(told(&mut withheld, Some(start + LOOK / 2)), []);
        assert_eq!(told(&mut withheld, Some(start + LOOK)), [7]);
        withheld.add(2);
        // Withheld anew: it has not waited for long.
        withheld.add(1);
        assert_eq!(told(&mut withheld, Some(start + 2 * LOOK)), []);
        assert!(!withheld.is_empty());
        assert_eq!(told(&mut withheld, None), [1, 2]);
        assert!(withheld.is_empty());
    }

    #[test]
    fn who_knows_is_not_told_and_can_be_withheld_again() {
        let mut withheld = Withheld::default();
        withheld.remove(3);
        withheld.add(3);
        withheld.remove(3);
        withheld.add(4);
        assert_eq!(told(&mut withheld, None), [4]);
        withheld.add(3);
        withheld.remove(3);
        withheld.add(3);
        assert_eq!(told(&mut withheld, None), [3]);
        assert!(withheld.is_empty());
    }
}
