//! From one list to the next.

use std::collections::VecDeque;

use dipole_net::Addr;
use tower::discover::Change;

/// The endpoints that are known, and what is still to be said of them.
#[derive(Debug, Default)]
pub(super) struct Changes {
    known: Vec<Addr>,
    next: VecDeque<Change<Addr, ()>>,
}

impl Changes {
    /// From now on it is these; repeated ones count once.
    pub(super) fn set(&mut self, addrs: impl IntoIterator<Item = Addr>) {
        let mut new: Vec<Addr> = Vec::new();
        for addr in addrs {
            if !new.contains(&addr) {
                new.push(addr);
            }
        }
        // What comes goes first, so that there is always something.
        let added = new.iter().filter(|addr| !self.known.contains(addr));
        self.next.extend(added.map(|addr| Change::Insert(addr.clone(), ())));
        let gone = self.known.iter().filter(|addr| !new.contains(addr));
        self.next.extend(gone.map(|addr| Change::Remove(addr.clone())));
        self.known = new;
    }

    pub(super) fn next(&mut self) -> Option<Change<Addr, ()>> {
        self.next.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differences_are_said() {
        let addr = |text: &str| text.parse::<Addr>().expect("an address");
        let (a, b, c) = (addr("a:1"), addr("b:1"), addr("c:1"));
        let mut changes = Changes::default();
        let mut said = |addrs: &[&Addr]| {
            changes.set(addrs.iter().map(|addr| (*addr).clone()));
            let next = std::iter::from_fn(|| changes.next());
            let word = |change| match change {
                Change::Insert(addr, ()) => format!("+{addr}"),
                Change::Remove(addr) => format!("-{addr}"),
            };
            next.map(word).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said(&[&a, &b, &a]), "+a:1 +b:1");
        assert_eq!(said(&[&a, &b]), "");
        assert_eq!(said(&[&c, &b]), "+c:1 -a:1");
        assert_eq!(said(&[]), "-c:1 -b:1");
    }
}
