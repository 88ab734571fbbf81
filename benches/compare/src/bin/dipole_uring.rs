//! Dipole on its io_uring network library.

use dipole::uring::Uring;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    compare::dipole_app::serve_here_driven(Uring::new()?, "dipole_uring")
}
