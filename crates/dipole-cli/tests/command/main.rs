//! The built program, run as a user would.

#![cfg(unix)]

mod addresses;
mod doctor;
mod ending;
mod files;
mod listing;
mod log;
mod support;
mod usage;
