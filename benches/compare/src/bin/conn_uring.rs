//! Canned answers on connections of Dipole's io_uring network library, without HTTP.

use std::sync::Arc;

use dipole::uring::Uring;

fn main() -> dipole::net::Result<()> {
    compare::dipole_conn::serve(Arc::new(Uring::new()?), "conn_uring")
}
