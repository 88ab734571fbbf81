//! The handshake, either end.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use dipole_io::{BufferPool, Input};
use dipole_net::{Conn, Error, Result};

use crate::fault;
use crate::session::{Session, Standing};

/// Leads `session` through its handshake over `conn`; gives what came with it. Session tickets may
/// be queued on `conn` then.
///
/// # Errors
/// `Tls` with its reason, or the connection's own; the caller closes the connection.
pub(crate) async fn shake_hands(
    conn: &mut dyn Conn,
    session: &mut Session,
    pool: &BufferPool,
) -> Result<(Input, Standing)> {
    let mut input = Input::new(pool);
    let mut step = match session.begins() {
        true => Step::after(session.advance_kept(conn, &mut input).map(Some)),
        false => Step::Read,
    };
    let standing = poll_fn(|cx| poll_hands(cx, conn, session, &mut input, &mut step)).await?;
    Ok((input, standing))
}

/// What comes next.
enum Step {
    /// Records are taken from the connection.
    Read,
    /// What is queued is sent; then this.
    Send(Then),
}

enum Then {
    Read,
    Done(Standing),
    Fail(Error),
}

impl Step {
    fn after(opened: Result<Option<Standing>, rustls::Error>) -> Self {
        match opened {
            Ok(Some(Standing::Handshaking)) => Self::Send(Then::Read),
            Ok(Some(standing)) => Self::Send(Then::Done(standing)),
            Ok(None) => Self::Read,
            // The alert leaves before the connection is closed.
            Err(error) => Self::Send(Then::Fail(fault::error(error))),
        }
    }
}

fn poll_hands(
    cx: &mut Context<'_>,
    conn: &mut dyn Conn,
    session: &mut Session,
    input: &mut Input,
    step: &mut Step,
) -> Poll<Result<Standing>> {
    loop {
        match step {
            Step::Read => match session.open_next(conn, input) {
                Ok(None) => {
                    let wanted = Session::wanted(conn.buffered());
                    match ready!(conn.poll_fill(cx, wanted)) {
                        Ok(()) => {}
                        Err(error) if error.is_eof() => {
                            return Poll::Ready(Err(fault::truncated()));
                        }
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                Ok(Some(Standing::Open)) if session.ends_with_tickets() => {
                    return Poll::Ready(Ok(Standing::Open));
                }
                // Nothing is answered to part of a message.
                Ok(Some(Standing::Handshaking)) if conn.queued() == 0 => {}
                opened => *step = Step::after(opened),
            },
            Step::Send(then) => {
                let flushed = ready!(conn.poll_flush(cx));
                match std::mem::replace(then, Then::Read) {
                    Then::Fail(error) => return Poll::Ready(Err(error)),
                    Then::Done(standing) => return Poll::Ready(flushed.map(|()| standing)),
                    // Where it failed, the peer may have said why before it left.
                    Then::Read => *step = Step::Read,
                }
            }
        }
    }
}
