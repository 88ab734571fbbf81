//! Each benchmark runs one connection, with 500 or 1000 batches. `../run` takes the difference of
//! the two, so that what happens once falls out, and divides it by the requests.

use gungraun::{library_benchmark, library_benchmark_group, main};
use instructions::Scenario::{Browser, Hello, Pipelined, Post};
#[cfg(feature = "dipole")]
use instructions::dipole;
use instructions::{Prepared, axum, bare, bare_axum, bare_http, hyper};

#[library_benchmark(setup = bare::prepare)]
#[bench::hello_500(Hello, 500)]
#[bench::hello_1000(Hello, 1000)]
#[bench::browser_500(Browser, 500)]
#[bench::browser_1000(Browser, 1000)]
#[bench::post_500(Post, 500)]
#[bench::post_1000(Post, 1000)]
#[bench::pipelined_500(Pipelined, 500)]
#[bench::pipelined_1000(Pipelined, 1000)]
fn on_bare(prepared: Prepared) -> Prepared {
    prepared.run()
}

#[library_benchmark(setup = bare_http::prepare)]
#[bench::hello_500(Hello, 500)]
#[bench::hello_1000(Hello, 1000)]
#[bench::browser_500(Browser, 500)]
#[bench::browser_1000(Browser, 1000)]
#[bench::post_500(Post, 500)]
#[bench::post_1000(Post, 1000)]
#[bench::pipelined_500(Pipelined, 500)]
#[bench::pipelined_1000(Pipelined, 1000)]
fn on_bare_http(prepared: Prepared) -> Prepared {
    prepared.run()
}

#[library_benchmark(setup = hyper::prepare)]
#[bench::hello_500(Hello, 500)]
#[bench::hello_1000(Hello, 1000)]
#[bench::browser_500(Browser, 500)]
#[bench::browser_1000(Browser, 1000)]
#[bench::post_500(Post, 500)]
#[bench::post_1000(Post, 1000)]
#[bench::pipelined_500(Pipelined, 500)]
#[bench::pipelined_1000(Pipelined, 1000)]
fn on_hyper(prepared: Prepared) -> Prepared {
    prepared.run()
}

#[cfg(feature = "dipole")]
#[library_benchmark(setup = dipole::prepare)]
#[bench::hello_500(Hello, 500)]
#[bench::hello_1000(Hello, 1000)]
#[bench::browser_500(Browser, 500)]
#[bench::browser_1000(Browser, 1000)]
#[bench::post_500(Post, 500)]
#[bench::post_1000(Post, 1000)]
#[bench::pipelined_500(Pipelined, 500)]
#[bench::pipelined_1000(Pipelined, 1000)]
fn on_dipole(prepared: Prepared) -> Prepared {
    prepared.run()
}

#[library_benchmark(setup = bare_axum::prepare)]
#[bench::hello_500(Hello, 500)]
#[bench::hello_1000(Hello, 1000)]
#[bench::browser_500(Browser, 500)]
#[bench::browser_1000(Browser, 1000)]
#[bench::post_500(Post, 500)]
#[bench::post_1000(Post, 1000)]
#[bench::pipelined_500(Pipelined, 500)]
#[bench::pipelined_1000(Pipelined, 1000)]
fn on_bare_axum(prepared: Prepared) -> Prepared {
    prepared.run()
}

#[library_benchmark(setup = axum::prepare)]
#[bench::hello_500(Hello, 500)]
#[bench::hello_1000(Hello, 1000)]
#[bench::browser_500(Browser, 500)]
#[bench::browser_1000(Browser, 1000)]
#[bench::post_500(Post, 500)]
#[bench::post_1000(Post, 1000)]
#[bench::pipelined_500(Pipelined, 500)]
#[bench::pipelined_1000(Pipelined, 1000)]
fn on_axum(prepared: Prepared) -> Prepared {
    prepared.run()
}

#[cfg(feature = "dipole")]
#[library_benchmark(setup = dipole::with_axum::prepare)]
#[bench::hello_500(Hello, 500)]
#[bench::hello_1000(Hello, 1000)]
#[bench::browser_500(Browser, 500)]
#[bench::browser_1000(Browser, 1000)]
#[bench::post_500(Post, 500)]
#[bench::post_1000(Post, 1000)]
#[bench::pipelined_500(Pipelined, 500)]
#[bench::pipelined_1000(Pipelined, 1000)]
fn on_dipole_axum(prepared: Prepared) -> Prepared {
    prepared.run()
}

#[cfg(not(feature = "dipole"))]
library_benchmark_group!(
    name = requests;
    benchmarks = on_bare, on_bare_http, on_hyper, on_bare_axum, on_axum
);
#[cfg(feature = "dipole")]
library_benchmark_group!(
    name = requests;
    benchmarks = on_bare, on_bare_http, on_hyper, on_dipole, on_bare_axum, on_axum, on_dipole_axum
);

main!(library_benchmark_groups = requests);
