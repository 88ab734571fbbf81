//! When to end: ctrl-c, or the service manager's word. And when to hand over: SIGUSR2.

use std::io;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    End,
    /// Another process is to go on with the sockets.
    #[cfg(unix)]
    HandOver,
}

/// The signals that the server obeys, from the moment it was made.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hand_over: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Takes the signals over from the system, which would end the process at once.
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        let hand_over = signal(SignalKind::user_defined2())?;
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)?, hand_over })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::End,
            _ = self.terminate.recv() => Asked::End,
            _ = self.hand_over.recv() => Asked::HandOver,
        }
    }
}

/// Ctrl-c.
#[cfg(windows)]
pub(super) struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    /// Takes ctrl-c over from the system, which would end the process at once.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// The next ctrl-c.
    pub(super) async fn next(&mut self) -> Asked {
        self.interrupt.recv().await;
        Asked::End
    }
}

impl Signals {
    /// The next signal that asks for the end; others have nothing to ask of a server that ends.
    pub(super) async fn end(&mut self) {
        while self.next().await != Asked::End {}
    }
}
