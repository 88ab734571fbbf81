//! `dipole conformance`: the kit's report on a network library.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use dipole::conformance::{
    CaseReport, HttpHost, Report, Rustls, Status, Subject, UNDER_TLS, cases, judge,
};
use dipole::io::DrivenRuntime;
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
    let (mut subject, only) = (subject(&network)?, args.only.as_deref());
    let mut progress = Progress::new(only.is_none() && !is_under_tls);
    let report = if is_under_tls {
        subject = subject.under_tls().ok_or_else(|| Failure::Job("there is no TLS".into()))?;
        judged(&network, subject, only.or(Some(UNDER_TLS)), &mut progress)?
    } else {
        match networks::beside(name) {
            Some(beside) => both(&network, beside, only, &mut progress)?,
            None => judged(&network, subject, only, &mut progress)?,
        }
    };
    progress.clear();
    if let Some(mut page) = page {
        page.write_all(report.to_html().as_bytes()).map_err(|error| unwritable(args, &error))?;
    }
    print(&if args.json { report.to_json() + "\n" } else { report.table() })?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn judged(
    network: &Network,
    subject: Subject,
    only: Option<&str>,
    progress: &mut Progress,
) -> Result<Report, Failure> {
    let judged = judge(subject, only, |case| progress.show(case));
    run_under(network, judged)?.map_err(Failure::usage)
}

/// A library of byte streams by all but the statements about streams, and the one beside it by
/// those: one report, in the order of the contract.
fn both(
    network: &Network,
    beside: &str,
    only: Option<&str>,
    progress: &mut Progress,
) -> Result<Report, Failure> {
    let is_of_streams = |id: &&str| id.trim().starts_with(['S', 's']);
    let (of_streams, others): (Vec<_>, Vec<_>) =
        only.unwrap_or("B,S,D,L").split(',').partition(is_of_streams);
    let mut report = Report { network: network.name.into(), cases: Vec::new() };
    if !others.is_empty() {
        report = judged(network, subject(network)?, Some(&others.join(",")), progress)?;
    }
    if !of_streams.is_empty() {
        let beside = networks::find_any(beside)?;
        let only = of_streams.join(",");
        report.cases.extend(judged(&beside, subject(&beside)?, Some(&only), progress)?.cases);
    }
    // The sort is stable.
    report.cases.sort_by_key(|case| case.id.get(..1).and_then(|group| "BSDL".find(group)));
    Ok(report)
}

/// The page has no place.
fn unwritable(args: &ConformanceArgs, error: &io::Error) -> Failure {
    let path = args.html.as_deref().unwrap_or(Path::new("")).display();
    Failure::job(format_args!("cannot write {path}: {error}"))
}

/// Runs the kit as a worker of the server would run the library.
fn run_under<F: Future>(network: &Network, judged: F) -> Result<F::Output, Failure> {
    let cannot =
        |error: &dyn std::fmt::Display| Failure::job(format_args!("cannot start: {error}"));
    if network.judged.clock == Clock::Paused {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build();
        return Ok(runtime.map_err(|error| cannot(&error))?.block_on(judged));
    }
    let runtime = DrivenRuntime::new([&network.transport]).map_err(|error| cannot(&error))?;
    Ok(runtime.block_on(judged))
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
