//! A recorder of metrics that remembers them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// All values of each metric, by `name{label=value,..}` with the labels in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    values: Arc<Mutex<BTreeMap<String, Vec<f64>>>>,
}

impl Recorded {
    /// The one metric of this name whose key has all of `labels`, and its values.
    pub(crate) fn one(&self, name: &str, labels: &[&str]) -> (String, Vec<f64>) {
        let all = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = all.iter().filter(|(key, _)| {
            key.starts_with(&format!("{name}{{")) && labels.iter().all(|label| key.contains(label))
        });
        let one = found.next().unwrap_or_else(|| panic!("no {name} with {labels:?} in {all:#?}"));
        assert!(found.next().is_none(), "several {name} with {labels:?} in {all:#?}");
        (one.0.clone(), one.1.clone())
    }
}

struct Handle {
    key: String,
    all: Recorded,
}

impl Handle {
    fn push(&self, next: impl FnOnce(Option<f64>) -> f64) {
        let mut all = self.all.values.lock().unwrap_or_else(PoisonError::into_inner);
        let values = all.entry(self.key.clone()).or_default();
        values.push(next(values.last().copied()));
    }
}

impl GaugeFn for Handle {
    fn increment(&self, value: f64) {
        self.push(|last| last.unwrap_or(0.0) + value);
    }
    fn decrement(&self, value: f64) {
        self.push(|last| last.unwrap_or(0.0) - value);
    }
    fn set(&self, value: f64) {
        self.push(|_| value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.push(|_| value);
    }
}

impl Recorded {
    fn handle(&self, key: &Key) -> Arc<Handle> {
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let key = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::new(Handle { key, all: self.clone() })
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(key))
    }
}
