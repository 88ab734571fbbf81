//! axum as it serves itself, on hyper.

use std::future::pending;
use std::io;

use axum::serve::Listener;

use crate::routes::router;
use crate::{Client, Prepared, Scenario};

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    Prepared::new(|client| Box::pin(serve(client)), scenario, batches)
}

async fn serve(mut client: Client) {
    let dropped = client.dropped();
    let listener = OneListener(Some(client));
    tokio::select! {
        _ = axum::serve(listener, router()) => unreachable!("it serves for ever"),
        () = dropped => {}
    }
}

/// Gives this client and then nobody.
struct OneListener(Option<Client>);

impl Listener for OneListener {
    type Io = Client;
    type Addr = ();

    async fn accept(&mut self) -> (Client, ()) {
        match self.0.take() {
            Some(client) => (client, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
