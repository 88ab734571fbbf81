//! The statements about dialling, listening and the life cycle, on both reference libraries.

mod line_host;

use std::sync::Arc;

use dipole_conformance::{Host, Report, Status, Subject, cases, judge};
use dipole_net::{Addr, Dialer, Transport};
use dipole_sim::{Config, Network};
use dipole_tokio::Tokio;
use line_host::{Flaw, LineHost};

fn subject<L>(library: L, addresses: &[&str], flaw: Option<Flaw>) -> Subject
where
    L: Transport + Dialer + 'static,
{
    let library = Arc::new(library);
    let addresses = addresses
        .iter()
        .map(|text| text.parse::<Addr>().expect("an address"));
    Subject {
        name: Transport::name(&*library).into(),
        transport: library.clone(),
        dialer: library,
        addresses: addresses.collect(),
        host: Some(Arc::new(LineHost { flaw }) as Arc<dyn Host>),
    }
}

fn on_tokio(flaw: Option<Flaw>) -> Subject {
    subject(Tokio::new(), &["127.0.0.1:0"], flaw)
}

fn on_sim(config: Config, flaw: Option<Flaw>) -> Subject {
    subject(Network::new(config), &["sim:alpha:0", "10.0.0.1:0"], flaw)
}

fn run<T>(paused: bool, future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .start_paused(paused)
        .build()
        .expect("a runtime")
        .block_on(future)
}

async fn dialer_and_listener(subject: Subject) -> Vec<Report> {
    let mut reports = Vec::new();
    for group in ["D", "L"] {
        let report = judge(subject.clone(), Some(group), |_| {})
            .await
            .expect("the group exists");
        println!("{}", report.table());
        assert!(report.is_good(), "{}", report.table());
        reports.push(report);
    }
    reports
}

/// The cases count descriptors and run out of them, so all of this is one test.
#[test]
fn both_libraries_pass_and_flawed_servers_are_caught() {
    let reports = run(false, dialer_and_listener(on_tokio(None)));
    let passed: usize = reports
        .iter()
        .map(|report| report.count(Status::Passed))
        .sum();
    assert!(passed >= 15, "{passed} cases passed");
    run(true, dialer_and_listener(on_sim(Config::default(), None)));
    run(true, dialer_and_listener(on_sim(Config::rough(1), None)));

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
    expect_caught(on_tokio(Some(Flaw::ClosesBeforeSwap)), "L13");
}

fn expect_caught(subject: Subject, id: &str) {
    let case = cases()
        .into_iter()
        .find(|case| case.id == id)
        .expect("the case exists");
    let report = run(subject.name == "sim", case.judge(&Arc::new(subject)));
    println!("{}", report.lines());
    assert_eq!(report.status, Status::Failed, "{id}: {}", report.detail);
}
