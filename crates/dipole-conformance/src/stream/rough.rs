//! S33: everything over a rough path.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::BoxFuture;

use super::setup::{Pair, Terms, both_ends};
use super::traffic::KIB;
use super::{cancel, deadlines, many, read, write};
use crate::verdict::{Failure, Verdict};
use crate::{Case, Roughness, Subject};

pub(super) const CASES: &[Case] = &[Case {
    id: "S33",
    sentence: "1 % and 10 % loss, 50 ms delay, reordering: everything of S10-S23 still holds",
    run: |subject| Box::pin(async move { everything(subject).await.into() }),
}];

type Scenario = fn(Pair) -> BoxFuture<'static, Verdict>;

/// What of S10 to S23 depends on the path; S15's 64 MiB in windows of 64 KiB would take minutes on
/// it, and S18 and S17 stand for it.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("S10", |pair| Box::pin(read::bytes_in_order(pair))),
    ("S11", |pair| Box::pin(read::the_end_each_time(pair))),
    ("S13", |pair| Box::pin(cancel::cancelled_reads(pair))),
    ("S14", |pair| Box::pin(read::reset_by_the_peer(pair))),
    ("S16", |pair| Box::pin(write::buffers_are_the_callers(pair))),
    ("S17", |pair| Box::pin(write::writing_waits(pair))),
    ("S18", |pair| Box::pin(deadlines::write_deadlines(pair))),
    ("S19", |pair| Box::pin(write::closing(pair))),
    ("S20", |pair| Box::pin(cancel::cancelled_writes(pair))),
    ("S21", |pair| Box::pin(cancel::stopped_writes(pair))),
    ("S22", |pair| Box::pin(cancel::halves(pair))),
    ("S23", |pair| Box::pin(many::some_are_cancelled(pair))),
];

async fn everything(subject: Arc<Subject>) -> Verdict {
    // Windows that fill, as S17 to S21 need them.
    let terms = Terms::both(|options| {
        options.stream_window = 64 * KIB as u32;
        options.connection_window = 1024 * KIB as u32;
        options.send_window = 64 * KIB as u32;
    });
    // All at once: they wait for the path, not for the machine.
    let mut scenarios = tokio::task::JoinSet::new();
    for lost in [1, 10] {
        let rough = Roughness::of(lost, Duration::from_millis(50));
        for (id, scenario) in SCENARIOS {
            let (subject, terms) = (Arc::clone(&subject), terms.clone());
            scenarios.spawn(async move {
                both_ends(&subject, &terms, Some(rough), *scenario)
                    .await
                    .map_err(|failure| failure.of(format_args!("{id} with {lost} % loss")))
            });
        }
    }
    while let Some(ended) = scenarios.join_next().await {
        ended.map_err(Failure::broken)??;
    }
    Ok(())
}
