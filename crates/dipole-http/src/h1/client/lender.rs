//! What becomes of a connection after its exchange.

use dipole_net::Conn;

use super::Keep;

/// Who a connection is borrowed from, and whether it goes back there.
#[derive(Debug)]
pub(super) struct Lender<K> {
    pub(super) keeper: K,
    pub(super) after: After,
}

/// What becomes of a connection when its exchange has ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It can take another request.
    Keep,
    /// Nothing can follow on it.
    Close,
}

impl<K: Keep> Lender<K> {
    /// The exchange has ended well.
    pub(super) fn give_back(self, conn: Box<dyn Conn>) {
        // Bytes that nobody asked for may be another's answer: such a connection is not used again.
        if self.after == After::Keep && conn.is_empty() {
            self.keeper.keep(conn);
        }
    }
}
