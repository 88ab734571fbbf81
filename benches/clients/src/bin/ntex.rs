//! ntex's client with its pool, on its tokio runtime.

use std::cell::Cell;
use std::rc::Rc;

use clients::{CONNECTIONS, Load, Measure, check};
use ntex::client::Client;

#[ntex::main]
async fn main() {
    let load = Load::of_arguments();
    let url = load.url();
    let client = Client::new().await;
    for requests in [load.requests / 10, load.requests] {
        let measure = Measure::begin();
        let done = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (client, url, done) = (client.clone(), url.clone(), Rc::clone(&done));
                ntex::rt::spawn(async move {
                    for _ in 0..requests {
                        let mut response = client.get(&*url).send().await.expect("a response");
                        let status = response.status().as_u16();
                        check(status, &response.body().await.expect("a whole body"));
                        done.set(done.get() + 1);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no panic");
        }
        assert_eq!(done.get(), requests * CONNECTIONS);
        if requests == load.requests {
            measure.tell(requests * CONNECTIONS);
        }
    }
}
