//! Dipole's HTTP/3 on quinn.

fn main() -> dipole::net::Result<()> {
    http3::dipole_app::serve("dipole_quinn", dipole::quinn::Quinn::server)
}
