//! The floor on io_uring: a bare ring that looks for the blank line and writes a canned answer.

use compare::uring_loop;
use compare::work::Nothing;

fn main() -> std::io::Result<()> {
    uring_loop::serve(Nothing, "bare_uring")
}
