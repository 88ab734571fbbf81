//! The statements B1 to B54: a connection that is one stream of bytes each way.

mod addresses;
mod close;
mod drops;
mod duplex;
mod ending;
mod flush;
mod lifetime;
mod malloc;
mod peek;
mod peek_timeout;
mod read;
mod release;
mod skip;
mod timeouts;
mod traffic;
mod write_failure;

use crate::Case;

/// Every statement about byte streams, in order.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = [
        peek::CASES,
        peek_timeout::CASES,
        drops::CASES,
        skip::CASES,
        release::CASES,
        read::CASES,
        malloc::CASES,
        flush::CASES,
        write_failure::CASES,
        duplex::CASES,
        timeouts::CASES,
        close::CASES,
        addresses::CASES,
        lifetime::CASES,
    ]
    .concat();
    cases.sort_by_key(|case| case.id[1..].parse::<u32>().unwrap_or(u32::MAX));
    cases
}
