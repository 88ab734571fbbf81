//! Dropping pending futures loses and repeats nothing.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use dipole_net::{Conn, ConnExt};
use dipole_sim::{Config, Network};
use tokio::time::{Instant, advance};

use crate::ms;

/// Both ends give up again and again, over a network that cuts, delays and stalls.
#[tokio::test(start_paused = true)]
async fn every_byte_arrives_once_however_often_fill_and_flush_are_given_up() {
    const TOTAL: u64 = 200_000;
    let mut config = Config::rough(3);
    config.capacity = 500;
    config.chunk = Some(1..=40);
    let (mut a, mut b) = Network::new(config).pair();
    let mut cx = Context::from_waker(Waker::noop());
    let (mut written, mut read, mut given_up) = (0_u64, 0_u64, 0_u64);
    let mut state = 1_u64;
    while read < TOTAL || read < written {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if a.queued() < 2000 && written < TOTAL {
            let length = (state >> 40) % 300;
            for byte in a.malloc(length as usize) {
                *byte = (written % 251) as u8;
                written += 1;
            }
        }
        match pin!(a.flush()).poll(&mut cx) {
            Poll::Ready(flushed) => flushed.unwrap(),
            Poll::Pending => given_up += 1,
        }
        let mut wanted = 1 + (state >> 50) as usize % 60;
        if written >= TOTAL {
            wanted = wanted.min((written - read) as usize);
        }
        let seen = match pin!(b.peek(wanted)).poll(&mut cx) {
            Poll::Ready(seen) => seen.map(<[u8]>::to_vec).unwrap(),
            Poll::Pending => {
                given_up += 1;
                advance(ms(1)).await;
                continue;
            }
        };
        for byte in &seen {
            assert_eq!(*byte, (read % 251) as u8, "byte {read}");
            read += 1;
        }
        b.skip(seen.len()).unwrap();
    }
    assert!(given_up > 10_000, "{given_up}");
    assert_eq!((read, a.stats().sent, b.stats().received), (written, written, written));
}

#[tokio::test(start_paused = true)]
async fn a_given_up_wait_leaves_no_timer_behind() {
    let (mut a, mut b) = Network::default().pair();
    b.set_read_timeout(Some(ms(10)));
    a.set_write_timeout(Some(ms(10)));
    a.malloc(1 << 20);
    assert!(crate::poll_once(b.peek(1 << 21)).is_pending());
    assert!(crate::poll_once(a.flush()).is_pending());
    // A paused clock jumps to the next timer: there is none before this one.
    let begin = Instant::now();
    tokio::time::sleep(ms(100)).await;
    assert_eq!(begin.elapsed(), ms(100));
    assert!(crate::poll_once(a.flush()).is_pending());
}
