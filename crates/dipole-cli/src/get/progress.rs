//! How far it is, as one line on a terminal that is written over again and again.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::size::Size;

/// How often the line is written over.
const EVERY: Duration = Duration::from_millis(100);
/// How many characters wide the bar is.
const BAR: u64 = 24;

/// A line on a terminal; what is written after it begins a line of its own.
pub(super) struct Progress<W: Write> {
    terminal: W,
    total: Option<u64>,
    began: Instant,
    shown: Option<Instant>,
}

impl<W: Write> Progress<W> {
    /// A line about a download of `total` bytes that begins now.
    pub(super) fn new(terminal: W, total: Option<u64>, now: Instant) -> Self {
        Self { terminal, total, began: now, shown: None }
    }

    /// Says how many bytes have come, if the line is old enough.
    pub(super) fn show(&mut self, bytes: u64, now: Instant) {
        if self.shown.is_some_and(|shown| now - shown < EVERY) {
            return;
        }
        self.shown = Some(now);
        self.write(bytes, now);
    }

    /// Says it a last time.
    pub(super) fn end(mut self, bytes: u64, now: Instant) {
        self.shown = Some(now);
        self.write(bytes, now);
    }

    fn write(&mut self, bytes: u64, now: Instant) {
        let line = Line { bytes, total: self.total, took: now - self.began };
        // A terminal that is gone needs no progress.
        let _ = write!(self.terminal, "\r\x1b[K{line}").and_then(|()| self.terminal.flush());
    }
}

impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = writeln!(self.terminal);
        }
    }
}

struct Line {
    bytes: u64,
    total: Option<u64>,
    took: Duration,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.bytes as f64 / self.took.as_secs_f64().max(0.001);
        match self.total.filter(|&total| total > 0) {
            Some(total) => {
                let part = |of: u64| u128::from(self.bytes) * u128::from(of) / u128::from(total);
                let filled = part(BAR).min(u128::from(BAR)) as usize;
                write!(f, "[{:-<1$}]", "#".repeat(filled), BAR as usize)?;
                write!(f, " {:>3}% {} of {}", part(100), Size(self.bytes), Size(total))?;
            }
            None => write!(f, "{}", Size(self.bytes))?,
        }
        write!(f, ", {}/s, {:.1} s", Size(rate as u64), self.took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_of_how_much_and_how_fast() {
        let took = Duration::from_secs(2);
        let known = Line { bytes: 3 << 20, total: Some(12 << 20), took };
        let expected = "[######------------------]  25% 3.0 MiB of 12 MiB, 1.5 MiB/s, 2.0 s";
        assert_eq!(known.to_string(), expected);
        let unknown = Line { bytes: 3 << 20, total: None, took };
        assert_eq!(unknown.to_string(), "3.0 MiB, 1.5 MiB/s, 2.0 s");
        let empty = Line { bytes: 0, total: Some(0), took: Duration::ZERO };
        assert_eq!(empty.to_string(), "0 B, 0 B/s, 0.0 s");
    }

    #[test]
    fn a_line_is_written_over_ten_times_a_second() {
        let (began, mut terminal) = (Instant::now(), Vec::new());
        let mut progress = Progress::new(&mut terminal, Some(100), began);
        for milliseconds in 0..1000 {
            progress.show(milliseconds / 10, began + Duration::from_millis(milliseconds));
        }
        progress.end(100, began + Duration::from_secs(1));
        let text = String::from_utf8(terminal).expect("a text");
        assert_eq!(text.matches('\r').count(), 11);
        assert!(text.ends_with("] 100% 100 B of 100 B, 100 B/s, 1.0 s\n"), "{text}");
    }
}
