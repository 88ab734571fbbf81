//! Dipole on its tokio network library.

use dipole::tokio::Tokio;

fn main() -> dipole::net::Result<()> {
    compare::dipole_app::serve(Tokio::new(), "dipole")
}
