//! What the floors do for each request beside writing its canned answer.

use crate::canned::Asked;

/// Something done for each request.
pub trait Work {
    fn request(&mut self, asked: Asked<'_>);
}

/// The canned answer is all.
pub struct Nothing;

impl Work for Nothing {
    #[inline(always)]
    fn request(&mut self, _: Asked<'_>) {}
}
