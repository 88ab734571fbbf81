//! L3: the shards of an address.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::Arc;

use dipole_net::{Error, ListenOptions, Listener, Result};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::yield_now;

use crate::Subject;
use crate::line::dial_line;
use crate::pair::first_address;
use crate::verdict::{Failure, Verdict, expect, expect_equal};
use crate::waiting::{Task, within};

const SHARDS: usize = 4;
/// So many that a fair spread leaves a shard out less than once in 10^24 runs.
const DIALS: usize = 200;
/// Dialled together, so that no shard can take each as it comes.
const BURST: usize = 8;

/// L3.
pub(super) async fn all_get_connections(subject: Arc<Subject>) -> Verdict {
    let mut options = ListenOptions::default();
    options.shards = NonZeroUsize::new(SHARDS).unwrap_or(NonZeroUsize::MIN);
    let listeners = subject.transport.listen(&first_address(&subject)?, &options)?;
    expect_equal(listeners.len(), SHARDS, "the number of listeners")?;
    let address = listeners[0].local_addr();
    for listener in &listeners {
        expect_equal(listener.local_addr(), address.clone(), "the address of a shard")?;
    }

    let (accepted, mut all_accepted) = unbounded_channel();
    let workers = listeners.into_iter().enumerate();
    let workers: Vec<_> = workers
        .map(|(shard, listener)| Task::start(worker(shard, listener, accepted.clone())))
        .collect();
    let mut counts = [0; SHARDS];
    for _ in 0..DIALS / BURST {
        let mut dialled = Vec::new();
        for _ in 0..BURST {
            dialled.push(dial_line(&subject, &address).await?);
        }
        for _ in 0..BURST {
            let next = within("accept by any of the shards", all_accepted.recv()).await?;
            let shard = next.ok_or_else(|| Failure::broken("every shard has ended"))??;
            counts[shard] += 1;
        }
    }
    drop(workers);
    expect(!counts.contains(&0), || {
        format!("of {DIALS} connections the shards got {counts:?}, expected some for each")
    })
}

/// Accepts for one shard, and says so.
async fn worker(
    shard: usize,
    mut listener: Box<dyn Listener>,
    accepted: UnboundedSender<Result<usize, Error>>,
) {
    loop {
        let next = match poll_fn(|cx| listener.poll_accept(cx)).await {
            Ok(incoming) => incoming.accept().await,
            Err(error) => Err(error),
        };
        if accepted.send(next.map(|_| shard)).is_err() {
            return;
        }
        // As a worker would that has something to do with its connection.
        yield_now().await;
    }
}
