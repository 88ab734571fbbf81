//! L9, L10: the end of a server.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::stage::{Stage, needs_host};
use crate::pair::{listen, try_dial};
use crate::stopwatch::Stopwatch;
use crate::verdict::{Failure, Verdict, expect, expect_equal};
use crate::waiting::{
    Task, both, eventually, expect_no_later, expect_on_time, give_up, on_time, within,
};
use crate::{HostOptions, Subject};

/// "At once": a turn of each worker, on a loaded machine.
const AT_ONCE: Duration = Duration::from_millis(100);

/// L9.
pub(super) async fn in_order(subject: Arc<Subject>) -> Verdict {
    needs_host(&subject)?;
    running_requests_end(&subject).await?;
    the_deadline_holds(&subject).await
}

async fn running_requests_end(subject: &Arc<Subject>) -> Verdict {
    const REQUEST: Duration = Duration::from_millis(400);
    let stage = Stage::start(subject).await?;
    let mut unused = stage.client().await?;
    let mut idle = stage.client().await?;
    idle.expect_quick_answer().await?;
    let mut busy = stage.busy_client(REQUEST).await?;

    let watch = Stopwatch::start();
    let running = Arc::clone(&stage.running);
    let shutdown = Task::start(async move {
        running.shutdown(Duration::from_secs(30)).await;
        watch.took()
    });
    idle.expect_end().await.map_err(|failure| failure.of("an idle connection"))?;
    unused.expect_end().await.map_err(|failure| failure.of("a connection without a request"))?;
    expect_no_later("the end of idle connections", AT_ONCE, watch.took())?;
    expect_refusal(&stage).await?;
    expect(!shutdown.is_finished(), || "shutdown ended before the running request")?;

    busy.expect_answer(true).await.map_err(|failure| failure.of("the running request"))?;
    busy.expect_end().await.map_err(|failure| failure.of("its connection"))?;
    let took = within("shutdown", shutdown.join()).await??;
    expect_no_later("shutdown with a request of 400 ms", REQUEST + AT_ONCE, took)?;
    expect_equal(stage.handlers().cancelled, 0, "the number of handlers cancelled")
}

/// A server that has begun to end takes nobody new.
async fn expect_refusal(stage: &Stage) -> Verdict {
    let watch = Stopwatch::start();
    loop {
        match try_dial(&stage.subject, &stage.address).await {
            Err(error) if error.is_timeout() => {
                return Err(Failure::broken("a dial after shutdown waits for its timeout"));
            }
            Err(_) => return Ok(()),
            // A worker may see to its listener last.
            Ok(_) if watch.took().time < AT_ONCE => sleep(Duration::from_millis(1)).await,
            Ok(_) => return Err(Failure::broken("a dial after shutdown gives a connection")),
        }
    }
}

/// A request that never ends is ended.
async fn the_deadline_holds(subject: &Arc<Subject>) -> Verdict {
    const DEADLINE: Duration = Duration::from_millis(200);
    let stage = Stage::start(subject).await?;
    let mut busy = stage.busy_client(Duration::from_secs(3600)).await?;
    let shutdown = stage.running.shutdown(DEADLINE);
    on_time("shutdown with a request that never ends", DEADLINE, shutdown).await?;
    busy.expect_end().await?;
    eventually("the handler is cancelled", || stage.handlers().cancelled == 1).await?;

    // Without anything that runs it does not wait for its deadline.
    let stage = Stage::start(subject).await?;
    stage.client().await?.expect_quick_answer().await?;
    let watch = Stopwatch::start();
    within("shutdown", stage.running.shutdown(Duration::from_secs(15))).await?;
    expect_no_later("shutdown with nothing to wait for", AT_ONCE, watch.took())
}

/// L10.
pub(super) async fn at_any_time(subject: Arc<Subject>) -> Verdict {
    needs_host(&subject)?;
    const DEADLINE: Duration = Duration::from_secs(5);

    let stage = Stage::start(&subject).await?;
    let shutdown = stage.running.shutdown(DEADLINE);
    within("shutdown right after the start", shutdown).await?;
    within("the second shutdown", stage.running.shutdown(DEADLINE)).await?;
    expect_refusal(&stage).await?;

    let stage = Stage::start(&subject).await?;
    let mut idle = stage.client().await?;
    idle.expect_quick_answer().await?;
    let (one, other) = (stage.running.shutdown(DEADLINE), stage.running.shutdown(DEADLINE));
    within("two shutdowns at once", both(one, other)).await?;
    idle.expect_end().await?;
    let address = stage.address.clone();

    given_up(&stage).await?;
    let again = Stage::start_at(&subject, &address, HostOptions::default()).await;
    let again = again.map_err(|failure| failure.of("at an address whose server has ended"))?;
    again.client().await?.expect_quick_answer().await?;
    given_up_shutdown(&again).await
}

/// A start that was given up, in mid-course or at its end, soon leaves nothing listening.
async fn given_up(ended: &Stage) -> Verdict {
    let transport = Arc::clone(&ended.subject.transport);
    let start = ended.host.start(transport, &ended.address, HostOptions::default());
    drop(give_up(1, start).await);
    let is_free = || listen(&ended.subject, &ended.address).is_ok();
    eventually("a start that was given up leaves its address free", is_free).await
}

/// A shutdown that was given up has begun nevertheless, and a later one ends it.
async fn given_up_shutdown(stage: &Stage) -> Verdict {
    const DEADLINE: Duration = Duration::from_millis(200);
    let mut busy = stage.busy_client(Duration::from_secs(3600)).await?;
    give_up(1, stage.running.shutdown(Duration::from_secs(600))).await;
    let watch = Stopwatch::start();
    within("a second shutdown", stage.running.shutdown(DEADLINE)).await?;
    expect_on_time("a second shutdown with an earlier deadline", DEADLINE, watch.took())?;
    busy.expect_end().await
}
