//! L8: the hooks that see a connection before its first request.

use std::sync::{Arc, Mutex, PoisonError};

use dipole_net::Addr;

use super::stage::{Stage, needs_host};
use crate::verdict::{Verdict, expect_equal};
use crate::waiting::eventually;
use crate::{HostOptions, Subject};

/// L8.
pub(super) async fn called_and_obeyed(subject: Arc<Subject>) -> Verdict {
    needs_host(&subject)?;
    seen_before_any_byte(&subject).await?;
    for refuses in [Hook::Accept, Hook::Connect] {
        refusal(&subject, refuses)
            .await
            .map_err(|failure| failure.of(format_args!("a hook ({refuses:?}) that refuses")))?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hook {
    Accept,
    Connect,
}

/// What the hooks were called with, in order.
type Calls = Arc<Mutex<Vec<(Hook, Addr)>>>;

fn recorded(calls: &Calls, refuses: Option<Hook>) -> HostOptions {
    let hook = |hook: Hook| {
        let calls = Arc::clone(calls);
        move |peer: &Addr| {
            calls.lock().unwrap_or_else(PoisonError::into_inner).push((hook, peer.clone()));
            refuses != Some(hook)
        }
    };
    HostOptions {
        on_accept: Arc::new(hook(Hook::Accept)),
        on_connect: Arc::new(hook(Hook::Connect)),
        ..HostOptions::default()
    }
}

fn so_far(calls: &Calls) -> Vec<(Hook, Addr)> {
    calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The client says nothing until both hooks were called.
async fn seen_before_any_byte(subject: &Arc<Subject>) -> Verdict {
    let calls = Calls::default();
    let stage = Stage::start_with(subject, recorded(&calls, None)).await?;
    let mut client = stage.client().await?;
    eventually("both hooks are called for a silent client", || so_far(&calls).len() >= 2).await?;
    let peer = client.conn.local_addr();
    let expected = vec![(Hook::Accept, peer.clone()), (Hook::Connect, peer)];
    expect_equal(so_far(&calls), expected.clone(), "the calls of the hooks")?;
    for _ in 0..2 {
        client.expect_quick_answer().await?;
    }
    expect_equal(so_far(&calls), expected, "the calls of the hooks after two requests")?;
    stage.end().await
}

async fn refusal(subject: &Arc<Subject>, refuses: Hook) -> Verdict {
    let calls = Calls::default();
    let stage = Stage::start_with(subject, recorded(&calls, Some(refuses))).await?;
    // Fails or not, as the refusal is later or sooner than the handshake, if there is one, and than
    // the request.
    if let Ok(mut client) = stage.client().await {
        drop(client.send(&stage.host.quick_request()).await);
        client.expect_end().await?;
    }
    expect_equal(stage.handlers().begun, 0, "the number of handlers begun")?;
    let called: Vec<_> = so_far(&calls).into_iter().map(|(hook, _)| hook).collect();
    let expected: &[Hook] = match refuses {
        Hook::Accept => &[Hook::Accept],
        Hook::Connect => &[Hook::Accept, Hook::Connect],
    };
    expect_equal(&*called, expected, "the hooks called")?;
    stage.end().await
}
