//! What the spans and the metrics of a test were.

mod recorder;
mod spans;

pub(crate) use recorder::Recorded;
pub(crate) use spans::Spans;
