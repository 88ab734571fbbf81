//! ntex on io_uring.

#[ntex::main]
async fn main() -> std::io::Result<()> {
    compare::ntex_app::serve("ntex_uring").await
}
