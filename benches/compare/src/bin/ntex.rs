//! ntex on its tokio runtime.

#[ntex::main]
async fn main() -> std::io::Result<()> {
    compare::ntex_app::serve("ntex").await
}
