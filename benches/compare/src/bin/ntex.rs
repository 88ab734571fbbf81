//! ntex on its tokio runtime with one worker.

use compare::{BINARY, HELLO, TEXT};
use ntex::SharedCfg;
use ntex::http::HttpServiceConfig;
use ntex::time::Seconds;
use ntex::util::Bytes;
use ntex::web::{self, App, HttpResponse, HttpServer};

#[ntex::main]
async fn main() -> std::io::Result<()> {
    let listener = compare::listen();
    let address = listener.local_addr()?;
    let server = HttpServer::new(async || {
        App::new()
            .route(
                "/",
                web::get().to(async || answer(TEXT, Bytes::from_static(HELLO.as_bytes()))),
            )
            .route(
                "/echo",
                web::post().to(async |body: Bytes| answer(BINARY, body)),
            )
            .route("/1m", web::get().to(async || answer(BINARY, mebibyte())))
    })
    .workers(1)
    .config(configuration())
    .listen(listener)?
    .run();
    compare::announce(address, "ntex");
    server.await
}

fn answer(media_type: &'static str, body: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type(media_type).body(body)
}

fn mebibyte() -> Bytes {
    Bytes::from_static(compare::mebibyte_slice())
}

/// Longer than the five seconds of the default: the connections of `./idle` stay open.
fn configuration() -> SharedCfg {
    SharedCfg::new("hello")
        .add(HttpServiceConfig::new().set_keepalive(Seconds(75)))
        .into()
}
