//! The statements about dialling, listening and the life cycle, on both reference libraries.

mod line_host;

use std::sync::Arc;

use dipole_conformance::Status::{Failed, NotApplicable};
use dipole_conformance::{Host, Subject, cases, judge};
use dipole_net::{Addr, Dialer, Transport};
use dipole_sim::{Config, Network};
use dipole_tokio::Tokio;
use line_host::{Flaw, LineHost};
use tokio::runtime::Builder;

fn subject<L>(library: L, addresses: &[&str], flaw: Option<Flaw>) -> Subject
where
    L: Transport + Dialer + 'static,
{
    let library = Arc::new(library);
    let addresses = addresses.iter().map(|text| text.parse::<Addr>().expect("an address"));
    Subject {
        name: Transport::name(&*library).into(),
        transport: library.clone(),
        dialer: library,
        addresses: addresses.collect(),
        host: Some(Arc::new(LineHost { flaw }) as Arc<dyn Host>),
        tls: None,
    }
}

fn on_tokio(flaw: Option<Flaw>) -> Subject {
    subject(Tokio::new(), &["127.0.0.1:0"], flaw)
}

fn on_sim(config: Config, flaw: Option<Flaw>) -> Subject {
    subject(Network::new(config), &["sim:alpha:0", "10.0.0.1:0"], flaw)
}

/// What a library is judged on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Real,
    Paused,
}

fn run<T>(clock: Clock, future: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(clock == Clock::Paused);
    builder.build().expect("a runtime").block_on(future)
}

fn run_on_two_threads<T>(future: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().worker_threads(2);
    builder.build().expect("a runtime").block_on(future)
}

/// Judges by every statement of the two groups; gives the ids of those that do not apply.
async fn not_applicable(subject: Subject) -> Vec<String> {
    let mut ids = Vec::new();
    for group in ["D", "L"] {
        let report = judge(subject.clone(), Some(group), |_| {}).await;
        let report = report.expect("the group exists");
        println!("{}", report.table());
        assert!(report.is_good(), "{}", report.table());
        let cases = report.cases.into_iter();
        ids.extend(cases.filter(|case| case.status == NotApplicable).map(|case| case.id));
    }
    ids
}

/// The cases count descriptors and run out of them, so all of this is one test.
#[test]
fn both_libraries_pass_and_flawed_servers_are_caught() {
    let on_one_thread = run(Clock::Real, not_applicable(on_tokio(None)));
    let on_two_threads = run_on_two_threads(not_applicable(on_tokio(None)));
    // D4 and D5 want an IPv6 loopback and a name for it, which is the machine's affair.
    for skipped in [on_one_thread, on_two_threads] {
        let skipped: Vec<_> = skipped.iter().filter(|id| !["D4", "D5"].contains(&&***id)).collect();
        assert_eq!(skipped, ["D6", "D7", "D8", "L4"]);
    }
    for config in [Config::default(), Config::rough(1)] {
        let skipped = run(Clock::Paused, not_applicable(on_sim(config, None)));
        assert_eq!(skipped, ["D5", "D6", "D7", "D8", "L4", "L5", "L6", "L7", "L13"]);
    }

    for (flaw, id) in [
        (Flaw::IgnoresRefusal, "L8"),
        (Flaw::KeepsIdle, "L9"),
        (Flaw::AcceptsWhileDraining, "L9"),
        (Flaw::IgnoresDeadline, "L9"),
        (Flaw::AlwaysWaitsOut, "L9"),
        (Flaw::EndsOnce, "L10"),
        (Flaw::SilentAfterPanic, "L11"),
        (Flaw::RunsOn, "L12"),
    ] {
        expect_caught(on_sim(Config::default(), Some(flaw)), id);
    }
    expect_caught(on_tokio(Some(Flaw::SwapEndsRequests)), "L13");
}

fn expect_caught(subject: Subject, id: &str) {
    let case = cases().into_iter().find(|case| case.id == id).expect("the case exists");
    let clock = if subject.name == "sim" { Clock::Paused } else { Clock::Real };
    let report = run(clock, case.judge(&Arc::new(subject)));
    println!("{}", report.lines());
    assert_eq!(report.status, Failed, "{id}: {}", report.detail);
}
