//! The floor: a bare epoll loop that looks for the blank line and writes a canned answer.

use compare::canned::Asked;
use compare::epoll_loop::{self, Work};

fn main() -> std::io::Result<()> {
    epoll_loop::serve(Nothing, "bare")
}

/// The canned answer is all.
struct Nothing;

impl Work for Nothing {
    #[inline(always)]
    fn request(&mut self, _: Asked<'_>) {}
}
