//! The floor on io_uring of whoever serves with the types of the crate `http`: the bare ring, which
//! also does for each request what `bare_http` does on epoll.

use compare::handled::Handled;
use compare::{handler, uring_loop};

fn main() -> std::io::Result<()> {
    uring_loop::serve(Handled::new(handler::answer), "bare_uring_http")
}
