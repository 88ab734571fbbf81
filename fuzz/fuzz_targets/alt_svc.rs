//! See `client/alt_svc/field_properties.rs` of `dipole-http`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::alt_svc(input));
