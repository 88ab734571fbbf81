//! Reading the certificate again while the server runs.

use std::io;

use serde_json::json;

use super::log::Log;
use super::log_line::Format;
use crate::tls::ServedTls;

/// Says what is to be said of the certificate, and reads it again at each SIGHUP. Connections that
/// are there go on; where it cannot be read the former one stays.
///
/// # Errors
/// The signal cannot be waited for.
pub(super) fn on_hangup(tls: ServedTls, log: Log, format: Format) -> io::Result<()> {
    if let (Format::Text, Some(hint)) = (format, tls.hint()) {
        log.say(format_args!("dipole: {hint}"));
    }
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};

        let mut hangups = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                say(&log, format, tls.reload().err().map(|failure| failure.to_string()));
            }
        });
    }
    Ok(())
}

fn say(log: &Log, format: Format, failure: Option<String>) {
    match (format, failure) {
        (Format::Json, failure) => {
            log.say(
                json!({"event": "certificate", "reloaded": failure.is_none(), "error": failure}),
            );
        }
        (Format::Text, None) => log.say("dipole: the certificate was read again"),
        (Format::Text, Some(failure)) => {
            log.say(format_args!("dipole: the certificate stays as it was: {failure}"));
        }
    }
}
