//! Requests that are answered without a wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, RuntimeFlavor};

/// Answers requests in their connection's task, as far as that goes without a wait: most need no
/// task of their own then, nor a place on the heap, which they have one after the other here.
pub(super) struct AtOnce<F> {
    way: Way,
    place: Option<Pin<Box<Option<F>>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    InTurn,
    /// Each in a task of its own from the beginning: where there are several threads, each request
    /// of a connection may have one.
    Apart,
}

impl<F: Future<Output = ()>> AtOnce<F> {
    /// For the current runtime.
    pub(super) fn new() -> Self {
        let way = match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::CurrentThread) => Way::InTurn,
            _ => Way::Apart,
        };
        Self { way, place: None }
    }

    /// Begins with a request. What is left of it, if anything, has to be run as a task.
    pub(super) fn begin(&mut self, request: F, cx: &mut Context<'_>) -> Option<Rest<F>> {
        if self.way == Way::Apart {
            return Some(Rest { place: Box::pin(Some(request)) });
        }
        let mut place = self.place.take().unwrap_or_else(|| Box::pin(None));
        place.set(Some(request));
        let mut rest = Rest { place };
        // Unwind safe: a request that panicked is dropped unseen, as a task's would be.
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut rest).poll(cx))) {
            Ok(Poll::Pending) => return Some(rest),
            Ok(Poll::Ready(())) => {}
            Err(_) => tracing::error!("answering a request panicked"),
        }
        rest.place.set(None);
        self.place = Some(rest.place);
        None
    }

    /// An idle connection keeps no place.
    pub(super) fn tidy(&mut self) {
        self.place = None;
    }
}

/// What is left of a request.
pub(super) struct Rest<F> {
    place: Pin<Box<Option<F>>>,
}

impl<F: Future<Output = ()>> Future for Rest<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.place.as_mut().as_pin_mut().map_or(Poll::Ready(()), |request| request.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    type Any = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn begin(at_once: &mut AtOnce<Any>, request: Any) -> Option<Rest<Any>> {
        at_once.begin(request, &mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn what_waits_is_left_and_goes_on_as_a_task() {
        let mut at_once = AtOnce::new();
        let (let_go, wait) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let waiting = Box::pin(async move {
            wait.await.expect("it is let go");
            tell.send("over").expect("somebody is told");
        });
        let rest = begin(&mut at_once, waiting).expect("it waits");
        // Another one finds its place meanwhile.
        assert!(begin(&mut at_once, Box::pin(ready(()))).is_none());
        let task = tokio::spawn(rest);
        let_go.send(()).expect("it waits");
        assert_eq!(told.await, Ok("over"));
        task.await.expect("no panic");
    }

    #[tokio::test]
    async fn what_does_not_wait_is_over_and_leaves_its_place_to_the_next() {
        let mut at_once = AtOnce::new();
        for _ in 0..3 {
            assert!(begin(&mut at_once, Box::pin(ready(()))).is_none());
            let place = at_once.place.as_ref().expect("it is kept");
            assert!(place.as_ref().get_ref().is_none());
        }
        at_once.tidy();
        assert!(at_once.place.is_none());
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_request_alone() {
        let mut at_once = AtOnce::new();
        let held = std::sync::Arc::new(());
        let kept = std::sync::Arc::clone(&held);
        let panicking = Box::pin(async move {
            let _kept = kept;
            panic!("as a handler may");
        });
        assert!(begin(&mut at_once, panicking).is_none());
        assert_eq!(std::sync::Arc::strong_count(&held), 1);
        assert!(begin(&mut at_once, Box::pin(ready(()))).is_none());
        assert!(begin(&mut at_once, Box::pin(pending())).is_some());
    }

    #[test]
    fn where_threads_could_share_the_work_each_is_a_task_from_the_beginning() {
        // As for any runtime that is not known to have one thread.
        let mut at_once = AtOnce::new();
        let unpolled = Box::pin(async { panic!("it was polled here") });
        assert!(begin(&mut at_once, unpolled).is_some());
    }
}
