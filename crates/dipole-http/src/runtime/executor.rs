//! hyper's tasks are tokio's.

use hyper::rt::Executor;

/// Spawns on the runtime that it is called on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokioExecutor;

impl<F> Executor<F> for TokioExecutor
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}
