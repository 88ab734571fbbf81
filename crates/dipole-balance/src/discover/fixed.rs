//! A list.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use dipole_net::Addr;
use futures_core::Stream;
use tower::discover::Change;

use super::Changes;

/// These endpoints, for good.
#[must_use]
pub fn fixed(endpoints: impl IntoIterator<Item = Addr>) -> Fixed {
    let mut changes = Changes::default();
    changes.set(endpoints);
    Fixed { changes }
}

/// See [`fixed`].
#[derive(Debug)]
pub struct Fixed {
    changes: Changes,
}

impl Stream for Fixed {
    type Item = Result<Change<Addr, ()>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.changes.next().map(Ok))
    }
}
