//! Built without the feature `datagrams`: there are none.

use std::sync::Arc;

use bytes::Bytes;
use dipole_net::{BoxFuture, Datagrams, Result, StreamOptions};
use s2n_quic::connection::Handle;

use crate::conn::Shared;

/// This build has none.
pub(crate) const BUILT_IN: bool = false;

/// None.
pub(crate) struct Queues;

impl Queues {
    pub(crate) fn new(_: &StreamOptions) -> Self {
        Self
    }
}

/// The endpoint as it is.
pub(crate) fn with_queues<B>(endpoint: B, _: Queues) -> B {
    endpoint
}

/// No connection has them.
pub(crate) enum DatagramQueues {}

impl DatagramQueues {
    pub(crate) fn of(_: &Handle, _: &Arc<Shared>, _: &StreamOptions) -> Option<Self> {
        None
    }
}

impl Datagrams for DatagramQueues {
    fn longest(&self) -> Option<usize> {
        match *self {}
    }

    fn send(&self, _: Bytes) -> Result<()> {
        match *self {}
    }

    fn receive(&self) -> BoxFuture<'_, Result<Bytes>> {
        match *self {}
    }
}
