//! The frames of the example `own_streams`.

#[path = "../../examples/own_streams/src/frame.rs"]
#[allow(dead_code, reason = "the example uses more of it")]
mod frame;
#[path = "../../examples/own_streams/src/frame_properties.rs"]
pub(crate) mod frame_properties;
