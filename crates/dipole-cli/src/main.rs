//! The `dipole` command.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    dipole_cli::main()
}
