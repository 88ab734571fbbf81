//! The built program, run as a user would.

#![cfg(unix)]

mod addresses;
mod conformance;
mod doctor;
mod ending;
mod files;
mod get;
mod get_faults;
mod get_http3;
mod get_secured;
mod get_ways;
mod inheritance;
mod listing;
mod log;
mod reload_http3;
mod serve_secured;
mod support;
mod swap;
mod usage;
