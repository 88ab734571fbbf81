//! Dipole on its io_uring network library.

use dipole::uring::Uring;

fn main() -> dipole::net::Result<()> {
    compare::dipole_app::serve(Uring::new()?, "dipole_uring")
}
