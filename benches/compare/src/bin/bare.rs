//! The floor: a bare epoll loop that looks for the blank line and writes a canned answer.

use compare::epoll_loop;
use compare::work::Nothing;

fn main() -> std::io::Result<()> {
    epoll_loop::serve(Nothing, "bare")
}
