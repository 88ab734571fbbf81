//! Canned answers on connections of Dipole's tokio network library, without HTTP.

use std::sync::Arc;

use dipole::tokio::Tokio;

fn main() -> dipole::net::Result<()> {
    compare::dipole_conn::serve(Arc::new(Tokio::new()), "conn_tokio")
}
