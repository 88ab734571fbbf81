//! Dipole's HTTP/3 on s2n-quic.

fn main() -> dipole::net::Result<()> {
    http3::dipole_app::serve("dipole_s2n", dipole::s2n::S2n::server)
}
