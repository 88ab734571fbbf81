//! xitca-web on io_uring with one worker.

use compare::{BINARY, HELLO, TEXT};
use xitca_web::App;
use xitca_web::body::ResponseBody;
use xitca_web::bytes::Bytes;
use xitca_web::handler::handler_service;
use xitca_web::http::WebResponse;
use xitca_web::http::header::{CONTENT_TYPE, HeaderValue};
use xitca_web::route::{get, post};

fn main() -> std::io::Result<()> {
    let listener = compare::listen();
    let address = listener.local_addr()?;
    let server = App::new()
        .at("/", get(handler_service(async || answer(TEXT, Bytes::from_static(HELLO.as_bytes())))))
        .at("/echo", post(handler_service(async |body: Bytes| answer(BINARY, body))))
        .at("/1m", get(handler_service(async || answer(BINARY, compare::mebibyte()))))
        .serve()
        .worker_threads(1)
        .enable_io_uring()
        .listen(listener)?
        .run();
    compare::announce(address, "xitca");
    server.wait()
}

fn answer(media_type: &'static str, body: Bytes) -> WebResponse {
    let mut response = WebResponse::new(ResponseBody::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
