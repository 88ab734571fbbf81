//! What hyper asks of a runtime: its I/O over any connection, and tokio's tasks and time.

mod executor;
mod io;
mod timer;

pub(crate) use self::executor::TokioExecutor;
pub(crate) use self::io::ConnIo;
pub(crate) use self::timer::TokioTimer;
