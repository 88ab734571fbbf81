//! `dipole conformance`: the kit's report on a network library.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use dipole::conformance::{CaseReport, HttpHost, Rustls, Status, Subject, UNDER_TLS, cases, judge};
use dipole::net::Addr;

use crate::Failure;
use crate::args::ConformanceArgs;
use crate::networks::{self, Clock, Network};
use crate::output::print;

/// Runs the kit, and prints what it found.
pub(crate) fn run(args: &ConformanceArgs) -> Result<ExitCode, Failure> {
    let (name, is_under_tls) = match args.network.strip_suffix("+tls") {
        Some(name) => (name, true),
        None => (&*args.network, false),
    };
    let network = networks::find_any(name)?;
    // Before the kit runs, for that takes a while.
    let page = args.html.as_ref().map(File::create).transpose();
    let page = page.map_err(|error| unwritable(args, &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(network.judged.clock == Clock::Paused)
        .build()
        .map_err(|error| Failure::job(format_args!("cannot start: {error}")))?;
    let (mut subject, mut only) = (subject(&network)?, args.only.as_deref());
    let mut progress = Progress::new(only.is_none() && !is_under_tls);
    if is_under_tls {
        subject = subject.under_tls().ok_or_else(|| Failure::Job("there is no TLS".into()))?;
        only = only.or(Some(UNDER_TLS));
    }
    let judged = judge(subject, only, |case| progress.show(case));
    let report = runtime.block_on(judged).map_err(Failure::usage)?;
    progress.clear();
    if let Some(mut page) = page {
        page.write_all(report.to_html().as_bytes()).map_err(|error| unwritable(args, &error))?;
    }
    print(&if args.json { report.to_json() + "\n" } else { report.table() })?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The page has no place.
fn unwritable(args: &ConformanceArgs, error: &io::Error) -> Failure {
    let path = args.html.as_deref().unwrap_or(Path::new("")).display();
    Failure::job(format_args!("cannot write {path}: {error}"))
}

fn subject(network: &Network) -> Result<Subject, Failure> {
    let addresses = network.judged.addresses.iter().map(|text| text.parse::<Addr>());
    Ok(Subject {
        name: network.name.into(),
        transport: network.transport.clone(),
        dialer: network.dialer.clone(),
        addresses: addresses.collect::<Result<_, _>>().map_err(Failure::job)?,
        host: Some(Arc::new(HttpHost)),
        tls: Some(Arc::new(Rustls::new(SystemTime::now()).map_err(Failure::job)?)),
    })
}

/// A line on the terminal that says how far it is.
struct Progress {
    /// `None` where stderr is no terminal.
    terminal: Option<io::Stderr>,
    /// How many cases there are; `None` when some of them were chosen.
    all: Option<usize>,
    ended: usize,
    failed: usize,
}

impl Progress {
    fn new(are_all: bool) -> Self {
        let stderr = io::stderr();
        Self {
            terminal: stderr.is_terminal().then_some(stderr),
            all: are_all.then(|| cases().len()),
            ended: 0,
            failed: 0,
        }
    }

    fn show(&mut self, case: &CaseReport) {
        self.ended += 1;
        self.failed += usize::from(case.status == Status::Failed);
        let Some(terminal) = &mut self.terminal else {
            return;
        };
        let of = self.all.map(|all| format!(" of {all}")).unwrap_or_default();
        let Self { ended, failed, .. } = self;
        // The line is shorter than any terminal, so that `\r` takes it back whole.
        let _ = write!(terminal, "\r\x1b[K{ended}{of} cases, {failed} failed: {}", case.id);
    }

    fn clear(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            let _ = write!(terminal, "\r\x1b[K");
        }
    }
}
