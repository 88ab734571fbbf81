//! See `frame_properties.rs` of the example `own_streams`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::own_streams_frames(input));
