//! Datagrams (RFC 9221), over an interface that s2n-quic calls unstable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use dipole_net::{BoxFuture, Datagrams, ErrorKind, Result, StreamOptions};
use s2n_quic::connection::{Error as ConnectionError, Handle};
use s2n_quic::provider::datagram::{
    ConnectionInfo, Endpoint, Packet, PreConnectionInfo, ReceiveContext, Receiver, Sender, With,
};
use tokio::sync::Notify;

use crate::conn::Shared;

/// This build has them.
pub(crate) const BUILT_IN: bool = true;

/// What a packet has around a datagram: its header with the longest connection id and packet number,
/// the frame's type and length, and the cipher's tag (RFC 9000 section 17.3.1, RFC 9221 section 4).
const AROUND: usize = 1 + 20 + 4 + 3 + 16;
/// The frame's part of it, which the peer's limit counts.
const FRAME: u64 = 3;
/// The largest frame that this end takes: all that fits into a packet.
const LONGEST_FRAME: u64 = 65535;
/// In so many packets a datagram that should fit may find no room; then it is thrown away, for the
/// path has become narrower.
const TRIES: u8 = 4;

/// An endpoint's connections get queues of `bytes` in each direction; none at 0.
pub(crate) struct Queues {
    bytes: usize,
}

impl Queues {
    pub(crate) fn new(options: &StreamOptions) -> Self {
        Self { bytes: usize::try_from(options.datagram_queue).unwrap_or(usize::MAX) }
    }
}

/// An endpoint whose connections have these.
pub(crate) fn with_queues<B: With<Queues>>(endpoint: B, queues: Queues) -> B::Output {
    endpoint.with(queues)
}

impl Endpoint for Queues {
    type Sender = Leaving;
    type Receiver = Arriving;

    fn create_connection(&mut self, info: &ConnectionInfo) -> (Leaving, Arriving) {
        let both = Arc::new(Both {
            most: self.bytes,
            peer_takes: info.max_datagram_payload,
            connection: info.waker.clone(),
            leaving: Mutex::default(),
            arriving: Mutex::default(),
            arrived: Notify::new(),
        });
        (Leaving { both: Arc::clone(&both), tries: 0 }, Arriving { both })
    }

    fn max_datagram_frame_size(&self, _: &PreConnectionInfo) -> u64 {
        match self.bytes {
            0 => 0,
            _ => LONGEST_FRAME,
        }
    }
}

/// A connection's datagrams in both directions.
struct Both {
    most: usize,
    /// The longest frame that the peer takes.
    peer_takes: u64,
    /// Has the connection look at what there is to send.
    connection: Waker,
    leaving: Mutex<Queue>,
    arriving: Mutex<Queue>,
    arrived: Notify,
}

impl Both {
    fn leaving(&self) -> MutexGuard<'_, Queue> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arriving(&self) -> MutexGuard<'_, Queue> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Datagrams of so many bytes together.
#[derive(Debug, Default)]
struct Queue {
    datagrams: VecDeque<Bytes>,
    bytes: usize,
}

impl Queue {
    /// What does not fit displaces the oldest.
    fn push(&mut self, datagram: Bytes, most: usize) {
        self.bytes += datagram.len();
        self.datagrams.push_back(datagram);
        while self.bytes > most && self.pop().is_some() {}
    }

    fn pop(&mut self) -> Option<Bytes> {
        let datagram = self.datagrams.pop_front()?;
        self.bytes -= datagram.len();
        Some(datagram)
    }
}

/// s2n-quic's end of what is sent.
pub(crate) struct Leaving {
    both: Arc<Both>,
    /// In how many packets the oldest has found no room.
    tries: u8,
}

impl Sender for Leaving {
    fn on_transmit<P: Packet>(&mut self, packet: &mut P) {
        let mut queue = self.both.leaving();
        while let Some(oldest) = queue.datagrams.front() {
            if oldest.len() > packet.remaining_capacity() {
                self.tries += 1;
                if self.tries < TRIES {
                    return;
                }
            } else {
                // One that is refused is lost, as datagrams are.
                _ = packet.write_datagram(oldest);
            }
            self.tries = 0;
            queue.pop();
        }
    }

    fn has_transmission_interest(&self) -> bool {
        !self.both.leaving().datagrams.is_empty()
    }

    fn on_connection_error(&mut self, _: ConnectionError) {
        *self.both.leaving() = Queue::default();
    }
}

/// s2n-quic's end of what is received.
pub(crate) struct Arriving {
    both: Arc<Both>,
}

impl Receiver for Arriving {
    fn on_datagram(&mut self, _: &ReceiveContext<'_>, datagram: &[u8]) {
        self.both.arriving().push(Bytes::copy_from_slice(datagram), self.both.most);
        self.both.arrived.notify_one();
    }

    fn on_connection_error(&mut self, _: ConnectionError) {
        // The connection's own end tells whoever waits.
    }
}

/// A connection's datagrams, for its user.
pub(crate) struct DatagramQueues {
    both: Arc<Both>,
    shared: Arc<Shared>,
}

impl DatagramQueues {
    /// `None` where none were asked for.
    pub(crate) fn of(
        handle: &Handle,
        shared: &Arc<Shared>,
        options: &StreamOptions,
    ) -> Option<Self> {
        if options.datagram_queue == 0 {
            return None;
        }
        let both = handle.datagram_mut(|leaving: &mut Leaving| Arc::clone(&leaving.both)).ok()?;
        Some(Self { both, shared: Arc::clone(shared) })
    }
}

impl Datagrams for DatagramQueues {
    fn longest(&self) -> Option<usize> {
        let peer = self.both.peer_takes.checked_sub(FRAME).filter(|&longest| longest > 0)?;
        let path = self.shared.known().packet_size().saturating_sub(AROUND);
        Some(usize::try_from(peer).unwrap_or(usize::MAX).min(path))
    }

    fn send(&self, datagram: Bytes) -> Result<()> {
        if let Some(error) = self.shared.known().ended() {
            return Err(self.shared.error(error));
        }
        let longest = self.longest().ok_or(ErrorKind::Unsupported)?;
        if datagram.len() > longest {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.both.leaving().push(datagram, self.both.most);
        self.both.connection.wake_by_ref();
        Ok(())
    }

    fn receive(&self) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(async {
            let next = async {
                loop {
                    let next = self.both.arriving().pop();
                    if let Some(datagram) = next {
                        return datagram;
                    }
                    // Keeps a word that comes between the look and the wait.
                    self.both.arrived.notified().await;
                }
            };
            tokio::select! {
                biased;
                datagram = next => Ok(datagram),
                error = self.shared.known().end() => Err(self.shared.error(error)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(most: usize, lengths: &[usize]) -> Queue {
        let mut queue = Queue::default();
        for (number, &length) in lengths.iter().enumerate() {
            let number = u8::try_from(number).expect("a few");
            queue.push(vec![number; length].into(), most);
        }
        queue
    }

    #[test]
    fn what_does_not_fit_displaces_the_oldest() {
        let mut queue = queue(10, &[4, 4, 4]);
        assert_eq!(queue.bytes, 8);
        assert_eq!(queue.pop().as_deref(), Some(&[1; 4][..]));
        assert_eq!(queue.pop().as_deref(), Some(&[2; 4][..]));
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn what_is_longer_than_the_queue_is_not_kept() {
        let queue = queue(10, &[4, 11]);
        assert!(queue.datagrams.is_empty());
        assert_eq!(queue.bytes, 0);
    }

    /// A packet with so much room, and the lengths of what was written into it.
    struct Room(usize, Vec<usize>);

    impl Packet for Room {
        fn remaining_capacity(&self) -> usize {
            self.0
        }

        fn write_datagram(
            &mut self,
            data: &[u8],
        ) -> Result<(), s2n_quic::provider::datagram::WriteError> {
            self.0 -= data.len();
            self.1.push(data.len());
            Ok(())
        }

        fn write_datagram_vectored(
            &mut self,
            data: &[&[u8]],
        ) -> Result<(), s2n_quic::provider::datagram::WriteError> {
            self.write_datagram(&data.concat())
        }

        fn has_pending_streams(&self) -> bool {
            false
        }

        fn datagrams_prioritized(&self) -> bool {
            true
        }
    }

    #[test]
    fn one_that_finds_no_room_waits_for_the_next_packets_and_not_for_ever() {
        let info = ConnectionInfo::new(1000, Waker::noop().clone());
        let (mut leaving, _) = Queues { bytes: 1000 }.create_connection(&info);
        *leaving.both.leaving() = queue(1000, &[50, 40]);
        let mut narrow = Room(45, Vec::new());
        for _ in 1..TRIES {
            leaving.on_transmit(&mut narrow);
            assert!(narrow.1.is_empty(), "the first is waited for");
        }
        leaving.on_transmit(&mut narrow);
        assert_eq!(narrow.1, [40], "the first is given up, the second sent");
        assert!(!leaving.has_transmission_interest());

        *leaving.both.leaving() = queue(1000, &[50, 40]);
        leaving.on_transmit(&mut Room(45, Vec::new()));
        let mut wide = Room(100, Vec::new());
        leaving.on_transmit(&mut wide);
        assert_eq!(wide.1, [50, 40]);
    }
}
