//! See `h3/codec_properties.rs` of `dipole-http`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::http3_settings(input));
