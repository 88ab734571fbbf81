//! A connection that is ready to run.

use std::pin::Pin;

use tokio::runtime::{Builder, Runtime};

use crate::{Client, Scenario};

/// What serves a client until it ends the stream.
type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server's connection with its client, and the runtime to run it on.
pub struct Prepared {
    runtime: Runtime,
    connection: Connection,
}

impl Prepared {
    /// A connection that `serve` makes, with a client that asks `scenario` `batches` times. A
    /// rehearsal comes first: it checks the answers, and tells the client how long they are.
    pub fn new(serve: impl Fn(Client) -> Connection, scenario: Scenario, batches: usize) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime without sockets needs nothing of the system");
        let (client, answer) = Client::rehearsal(scenario);
        let Self { runtime, .. } = Self {
            runtime,
            connection: serve(client),
        }
        .run();
        let answer_size = answer.lock().expect("no thread panics with the lock").len();
        assert!(answer_size > 0, "the rehearsed batch is answered");
        Self {
            runtime,
            connection: serve(Client::new(scenario, batches, answer_size)),
        }
    }

    /// Serves the client to the end, in a task as a server does.
    pub fn run(mut self) -> Self {
        let connection = std::mem::replace(&mut self.connection, Box::pin(async {}));
        self.runtime
            .block_on(async { tokio::spawn(connection).await })
            .expect("the connection does not panic");
        self
    }
}
