//! Connecting to a host with several addresses (RFC 8305).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use dipole_net::{Error, ErrorKind, Result};

/// How long one attempt is alone before the next begins beside it (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The first connection that succeeds. Attempts begin in turn, each when the one before it has
/// failed or has taken 250 ms; all others are dropped at the end.
///
/// # Errors
/// That of the first attempt, when all have failed.
pub async fn first<C, F>(
    addrs: Vec<SocketAddr>,
    mut connect: impl FnMut(SocketAddr) -> F,
) -> Result<C>
where
    F: Future<Output = Result<C>> + Send,
{
    let mut waiting = alternate_families(addrs);
    let mut attempts = Vec::new();
    let mut first_error = None;
    loop {
        if let Some(addr) = waiting.pop_front() {
            attempts.push(Box::pin(connect(addr)));
        }
        if attempts.is_empty() {
            return Err(first_error.unwrap_or_else(|| Error::new(ErrorKind::UnknownHost)));
        }
        let mut delay = pin!(tokio::time::sleep(ATTEMPT_DELAY));
        let ended = poll_fn(|cx| {
            for (index, attempt) in attempts.iter_mut().enumerate() {
                if let Poll::Ready(outcome) = attempt.as_mut().poll(cx) {
                    return Poll::Ready(Some((index, outcome)));
                }
            }
            if waiting.is_empty() { Poll::Pending } else { delay.as_mut().poll(cx).map(|()| None) }
        });
        match ended.await {
            Some((_, Ok(connected))) => return Ok(connected),
            Some((index, Err(error))) => {
                drop(attempts.swap_remove(index));
                first_error.get_or_insert(error);
            }
            None => {}
        }
    }
}

/// The resolver's order, but the families take turns (RFC 8305 section 4).
fn alternate_families(addrs: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_ipv6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (ours, others): (Vec<_>, Vec<_>) =
        addrs.into_iter().partition(|addr| addr.is_ipv6() == first_is_ipv6);
    let mut alternating = VecDeque::new();
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    loop {
        let pair = (ours.next(), others.next());
        alternating.extend(pair.0);
        alternating.extend(pair.1);
        if pair == (None, None) {
            return alternating;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs() -> Vec<SocketAddr> {
        ["[::1]:1", "[::1]:2", "127.0.0.1:1", "127.0.0.1:2"].map(|a| a.parse().unwrap()).into()
    }

    #[test]
    fn the_families_take_turns() {
        let order: Vec<_> = alternate_families(addrs()).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["[::1]:1", "127.0.0.1:1", "[::1]:2", "127.0.0.1:2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_delays_the_next_by_250_milliseconds() {
        let start = tokio::time::Instant::now();
        let connect = |addr: SocketAddr| async move {
            if addr.is_ipv6() {
                std::future::pending::<()>().await;
            }
            Ok(addr)
        };
        let winner = first(addrs(), connect).await.unwrap();
        assert_eq!(winner.to_string(), "127.0.0.1:1");
        assert_eq!(start.elapsed(), ATTEMPT_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_address_does_not_delay_the_next() {
        let start = tokio::time::Instant::now();
        let connect = |addr: SocketAddr| async move {
            if addr.is_ipv6() { Err(ErrorKind::Refused.into()) } else { Ok(addr) }
        };
        first(addrs(), connect).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_the_first_error_is_given() {
        let connect = |addr: SocketAddr| async move {
            let kind = if addr.port() == 1 { ErrorKind::Refused } else { ErrorKind::Unreachable };
            Err::<(), _>(Error::new(kind))
        };
        assert_eq!(*first(addrs(), connect).await.unwrap_err().kind(), ErrorKind::Refused);
    }
}
