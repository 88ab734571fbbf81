//! The floor of whoever serves with the types of the crate `http`: the bare epoll loop, with the
//! handler that hyper's and Dipole's servers have.

use compare::handled::Handled;
use compare::{epoll_loop, handler};

fn main() -> std::io::Result<()> {
    epoll_loop::serve(Handled::new(handler::answer), "bare_http")
}
