//! A deliberately broken library, and the kit that catches it.
//!
//! Each fault must be caught by the very case that names it, and the same library without the
//! fault must pass that case.

mod conn;
mod dialer;
mod fault;
mod listener;

use std::fs::File;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dipole_conformance::{CaseReport, Status, Subject, cases};
use dipole_net::{Dialer, Transport};
use dipole_sim::{Config, Network};
use fault::{Base, FAULTS, Fault};

/// A correct library with one fault built in, or none.
#[derive(Clone)]
pub(crate) struct Broken {
    transport: Arc<dyn Transport>,
    dialer: Arc<dyn Dialer>,
    fault: Option<Fault>,
    /// Kept, so that what is leaked is at least not leaked into the next test.
    leaked: Arc<Mutex<Vec<File>>>,
}

impl Broken {
    fn of<L: Transport + Dialer + Clone + 'static>(library: L, fault: Option<Fault>) -> Self {
        Self {
            transport: Arc::new(library.clone()),
            dialer: Arc::new(library),
            fault,
            leaked: Arc::default(),
        }
    }
}

fn subject(base: Base, fault: Option<Fault>) -> Subject {
    let mut distant = Config::default();
    distant.latency = Duration::from_millis(50)..=Duration::from_millis(50);
    let (broken, address) = match base {
        Base::Sim => (Broken::of(Network::default(), fault), "sim:alpha:0"),
        Base::DistantSim => (Broken::of(Network::new(distant), fault), "sim:alpha:0"),
        Base::Tokio => (Broken::of(dipole_tokio::Tokio::new(), fault), "127.0.0.1:0"),
    };
    Subject {
        name: "broken".into(),
        transport: Arc::new(broken.clone()),
        dialer: Arc::new(broken),
        addresses: vec![address.parse().expect("an address")],
        host: None,
        tls: None,
    }
}

fn judge(id: &str, base: Base, fault: Option<Fault>) -> CaseReport {
    let case = cases().into_iter().find(|case| case.id == id).expect("the case exists");
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime =
        builder.enable_all().start_paused(base != Base::Tokio).build().expect("a runtime");
    runtime.block_on(case.judge(&Arc::new(subject(base, fault))))
}

/// One test, since some cases count the descriptors of the process and some run out of them.
#[test]
fn every_fault_is_caught_by_the_case_that_names_it() {
    let mut wrong = Vec::new();
    for (fault, base, id) in FAULTS {
        let sound = judge(id, *base, None);
        // A machine without a name of two families has nothing to judge D5 by.
        if sound.status == Status::NotApplicable && *id == "D5" {
            println!("{fault:?}: {id} is not applicable: {}", sound.detail);
            continue;
        }
        let broken = judge(id, *base, Some(*fault));
        println!("{fault:?}: {id} {}: {}", broken.status.words(), broken.detail);
        if sound.status != Status::Passed {
            wrong.push(format!("without {fault:?} {}", sound.lines()));
        }
        if broken.status != Status::Failed {
            wrong.push(format!("with {fault:?} {}", broken.lines()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
