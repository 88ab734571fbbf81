//! Dipole on its tokio network library.

use dipole::tokio::Tokio;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    compare::dipole_app::serve_here(Tokio::new(), "dipole")
}
