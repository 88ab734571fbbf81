//! L11, L12: handlers that end badly.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::Conn;

use super::stage::{Stage, needs_host};
use crate::stopwatch::Stopwatch;
use crate::verdict::{Failure, Verdict, expect_equal};
use crate::waiting::{eventually, expect_no_later};
use crate::{Handlers, Subject};

/// L11.
pub(super) async fn panic_is_contained(subject: Arc<Subject>) -> Verdict {
    needs_host(&subject)?;
    let stage = Stage::start(&subject).await?;
    let mut other = stage.client().await?;
    other.expect_quick_answer().await?;
    let mut busy = stage.busy_client(Duration::from_millis(200)).await?;

    let mut client = stage.client().await?;
    client.send(&stage.host.panicking_request()).await?;
    client.expect_answer(false).await.map_err(|failure| failure.of("after a panic"))?;
    client.expect_end().await.map_err(|failure| failure.of("after a panic"))?;

    let unharmed = |failure: Failure| failure.of("another connection");
    other.expect_quick_answer().await.map_err(unharmed)?;
    busy.expect_answer(true).await.map_err(unharmed)?;
    stage.client().await?.expect_quick_answer().await?;
    let expected = Handlers { begun: 5, panicked: 1, cancelled: 0 };
    expect_equal(stage.handlers(), expected, "what became of the handlers")?;
    stage.end().await
}

/// L12.
pub(super) async fn cancelled_with_the_client(subject: Arc<Subject>) -> Verdict {
    needs_host(&subject)?;
    going(&subject, "a client that closes", |conn| conn.close()).await?;
    if subject.dialer.capabilities().reset {
        going(&subject, "a client that resets", |conn| conn.reset()).await?;
    }
    Ok(())
}

async fn going(subject: &Arc<Subject>, who: &str, go: fn(&mut dyn Conn)) -> Verdict {
    const SOON: Duration = Duration::from_millis(100);
    let stage = Stage::start(subject).await?;
    let mut staying = stage.busy_client(Duration::from_millis(400)).await?;
    let mut client = stage.busy_client(Duration::from_secs(3600)).await?;
    let watch = Stopwatch::start();
    go(&mut *client.conn);
    let cancelled = || stage.handlers().cancelled > 0;
    let what = format!("cancelling the handler of {who}");
    eventually(&what, cancelled).await?;
    expect_no_later(what, SOON, watch.took())?;
    staying.expect_answer(true).await.map_err(|failure| failure.of("another client"))?;
    expect_equal(stage.handlers().cancelled, 1, "the number of handlers cancelled")?;
    stage.end().await
}
