//! actix-web with one worker.

use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use compare::{BINARY, HELLO};

fn main() -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(serve())
}

async fn serve() -> std::io::Result<()> {
    let listener = compare::listen();
    let address = listener.local_addr()?;
    let server = HttpServer::new(|| {
        App::new()
            .route("/", web::get().to(async || HELLO))
            .route("/echo", web::post().to(async |body: Bytes| binary(body)))
            .route("/1m", web::get().to(async || binary(compare::mebibyte())))
    })
    .workers(1)
    // Longer than the five seconds of the default: the connections of `./idle` stay open.
    .keep_alive(Duration::from_secs(75))
    .listen(listener)?
    .run();
    compare::announce(address, "actix");
    server.await
}

fn binary(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type(BINARY).body(body)
}
