//! L13: another library under a live listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dipole_net::Addr;
use tokio::time::sleep;

use super::stage::{Client, Stage, needs_host};
use crate::pair::dial;
use crate::verdict::{Failure, Verdict, expect_equal};
use crate::waiting::{Task, eventually, within};
use crate::{Host, Subject};

const CLIENTS: usize = 4;
/// Requests of each client before the swap, and again after it.
const REQUESTS: usize = 10;

/// L13. The new library is another handle of the old one.
pub(super) async fn under_load(subject: Arc<Subject>) -> Verdict {
    needs_host(&subject)?;
    let stage = Stage::start(&subject).await?;
    let mut idle = stage.client().await?;
    idle.expect_quick_answer().await?;
    let mut busy = stage.busy_client(Duration::from_millis(400)).await?;
    let load = Load::start(&stage);
    load.expect_more().await?;

    let Some(swap) = stage.running.swap(Arc::clone(&subject.transport)) else {
        return Err(Failure::not_applicable("a server that can swap this library"));
    };
    within("the swap", swap).await??;
    load.expect_more().await?;
    load.end().await?;
    expect_equal(stage.running.local_addr(), stage.address.clone(), "local_addr after the swap")?;

    idle.expect_end().await.map_err(|failure| failure.of("an idle connection"))?;
    busy.expect_answer(true).await.map_err(|failure| failure.of("a running request"))?;
    busy.expect_end().await.map_err(|failure| failure.of("its connection"))?;
    stage.client().await?.expect_quick_answer().await?;
    stage.end().await
}

/// Clients that dial, have one request answered, and do so again.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<(Arc<AtomicUsize>, Task<Verdict>)>,
}

impl Load {
    fn start(stage: &Stage) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let served = Arc::new(AtomicUsize::new(0));
            let requests = requests(
                Arc::clone(&stage.subject),
                Arc::clone(&stage.host),
                stage.address.clone(),
                Arc::clone(&served),
                Arc::clone(&stop),
            );
            (served, Task::start(requests))
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { stop, clients }
    }

    /// Waits until each client was served some more times; one that fails ends this at once.
    async fn expect_more(&self) -> Verdict {
        for (served, task) in &self.clients {
            let goal = served.load(Ordering::Relaxed) + REQUESTS;
            let reached = || served.load(Ordering::Relaxed) >= goal || task.is_finished();
            eventually("a client under load is served", reached).await?;
        }
        Ok(())
    }

    /// Stops; fails when any request has failed.
    async fn end(self) -> Verdict {
        self.stop.store(true, Ordering::Relaxed);
        for (_, task) in self.clients {
            let load = |failure: Failure| failure.of("a request during the swap");
            within("the end of a client", task.join()).await??.map_err(load)?;
        }
        Ok(())
    }
}

async fn requests(
    subject: Arc<Subject>,
    host: Arc<dyn Host>,
    address: Addr,
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> Verdict {
    while !stop.load(Ordering::Relaxed) {
        let conn = dial(&subject, &address).await?;
        Client::new(conn, &host).expect_quick_answer().await?;
        served.fetch_add(1, Ordering::Relaxed);
        // A paused clock goes on only when everybody waits for it.
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
