//! The client's reader of `Alt-Svc`.

#[path = "../../crates/dipole-http/src/client/alt_svc/field.rs"]
#[allow(dead_code, reason = "the client uses more of it")]
mod field;
#[path = "../../crates/dipole-http/src/client/alt_svc/field_properties.rs"]
pub(crate) mod field_properties;
