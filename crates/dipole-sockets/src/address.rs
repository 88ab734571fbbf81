//! Addresses of Unix sockets, as the system and as the contract have them.

#[cfg(unix)]
use dipole_net::Addr;

/// A Unix socket's address as the contract has it.
#[cfg(unix)]
#[must_use]
pub fn unix_addr(address: &socket2::SockAddr) -> Addr {
    if let Some(path) = address.as_pathname() {
        return Addr::unix(path);
    }
    match address.as_abstract_namespace() {
        Some(name) => Addr::Abstract(name.into()),
        None => Addr::Unnamed,
    }
}

/// A name of Linux's abstract name space as the system has it.
///
/// # Errors
/// The name is too long.
#[cfg(target_os = "linux")]
pub fn abstract_address(name: &[u8]) -> std::io::Result<socket2::SockAddr> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let name_with_nul = [&[0], name].concat();
    socket2::SockAddr::unix(OsStr::from_bytes(&name_with_nul))
}
