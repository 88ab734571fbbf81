//! ntex with one worker, on the event source that its features choose.

use ntex::SharedCfg;
use ntex::http::HttpServiceConfig;
use ntex::time::Seconds;
use ntex::util::Bytes;
use ntex::web::{self, App, HttpResponse, HttpServer};

use crate::{BINARY, HELLO, TEXT};

/// Serves until the process is ended; inside of ntex's runtime.
pub async fn serve(name: &str) -> std::io::Result<()> {
    let listener = crate::listen();
    let address = listener.local_addr()?;
    let server = HttpServer::new(async || {
        App::new()
            .route("/", web::get().to(async || answer(TEXT, Bytes::from_static(HELLO.as_bytes()))))
            .route("/echo", web::post().to(async |body: Bytes| answer(BINARY, body)))
            .route("/1m", web::get().to(async || answer(BINARY, mebibyte())))
    })
    .workers(1)
    .config(configuration())
    .listen(listener)?
    .run();
    crate::announce(address, name);
    server.await
}

fn answer(media_type: &'static str, body: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type(media_type).body(body)
}

fn mebibyte() -> Bytes {
    Bytes::from_static(crate::mebibyte_slice())
}

/// Longer than the five seconds of the default: the connections of `./idle` stay open.
fn configuration() -> SharedCfg {
    SharedCfg::new("hello").add(HttpServiceConfig::new().set_keepalive(Seconds(75))).into()
}
