//! Error codes (RFC 9114 section 8.1, RFC 9204 section 6).

pub(crate) const NO_ERROR: u64 = 0x100;
pub(crate) const INTERNAL_ERROR: u64 = 0x102;
pub(crate) const FRAME_UNEXPECTED: u64 = 0x105;
pub(crate) const FRAME_ERROR: u64 = 0x106;
pub(crate) const EXCESSIVE_LOAD: u64 = 0x107;
pub(crate) const REQUEST_CANCELLED: u64 = 0x10c;
