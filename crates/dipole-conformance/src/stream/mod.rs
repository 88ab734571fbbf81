//! The statements S1 to S34: a connection of many streams.

mod accept;
mod addresses;
mod cancel;
mod close;
mod datagrams;
mod deadlines;
mod early_data;
mod handshake;
mod idle;
mod lifetime;
mod limits;
mod many;
mod open;
mod priorities;
mod read;
mod rough;
mod setup;
mod traffic;
mod write;

pub(crate) use setup::{Place, Terms};

use crate::Case;

/// Every statement about streams, in order.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = [
        open::CASES,
        limits::CASES,
        accept::CASES,
        read::CASES,
        deadlines::CASES,
        cancel::CASES,
        write::CASES,
        many::CASES,
        priorities::CASES,
        close::CASES,
        idle::CASES,
        handshake::CASES,
        addresses::CASES,
        datagrams::CASES,
        early_data::CASES,
        rough::CASES,
        lifetime::CASES,
    ]
    .concat();
    cases.sort_by_key(|case| case.id[1..].parse::<u32>().unwrap_or(u32::MAX));
    cases
}
