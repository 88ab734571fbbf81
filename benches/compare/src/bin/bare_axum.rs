//! The floor of whoever serves an axum `Router`: the bare epoll loop, with the router of `axum` and
//! `dipole_axum`.

use compare::handled::Handled;
use compare::{epoll_loop, routes};
use tower::Service;

fn main() -> std::io::Result<()> {
    let mut router = routes::router();
    epoll_loop::serve(Handled::new(move |request| router.call(request)), "bare_axum")
}
