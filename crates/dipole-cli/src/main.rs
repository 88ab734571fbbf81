//! The `dipole` command.

fn main() -> std::process::ExitCode {
    dipole_cli::main()
}
