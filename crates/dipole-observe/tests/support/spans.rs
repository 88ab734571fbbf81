//! A subscriber that remembers the fields of spans.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The spans of this test, by their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans {
    all: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Debug, Default)]
struct Seen {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
}

impl Spans {
    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a field of the first span of this name; `None` when it has none.
    pub(crate) fn field(&self, name: &str, field: &str) -> Option<String> {
        let all = self.lock();
        let seen = all.iter().find(|seen| seen.name == name);
        seen.unwrap_or_else(|| panic!("no span {name} in {all:#?}")).fields.get(field).cloned()
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("dipole_observe")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut all = self.lock();
        let mut seen = Seen { name: attributes.metadata().name(), ..Seen::default() };
        attributes.record(&mut seen);
        all.push(seen);
        Id::from_u64(all.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let place = usize::try_from(span.into_u64()).expect("a place in a list") - 1;
        values.record(&mut self.lock()[place]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
