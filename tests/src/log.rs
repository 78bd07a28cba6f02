//! What `tracing` was told, kept to be read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// The events and spans of the thread that listens.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    events: Vec<Line>,
    spans: Vec<Line>,
    /// Ids are used again once their span is closed, so they name the latest.
    latest: BTreeMap<u64, usize>,
}

impl Kept {
    fn span(&mut self, id: u64) -> Option<&mut Line> {
        self.spans.get_mut(*self.latest.get(&id)?)
    }
}

/// One event or span.
#[derive(Clone, Debug)]
pub struct Line {
    /// How severe.
    pub level: Level,
    /// The span's name; empty for an event.
    pub name: &'static str,
    /// Fields as text, an event's `message` among them.
    pub fields: BTreeMap<&'static str, String>,
    /// The fields of the innermost span that an event stands in.
    pub within: BTreeMap<&'static str, String>,
    /// Whether a span is closed. Nothing of it can be recorded any more.
    pub closed: bool,
}

impl Log {
    /// Listens on this thread until the guard is dropped.
    #[must_use]
    pub fn listen() -> (Self, DefaultGuard) {
        // While there is only one subscriber, `tracing` asks the thread that meets a call site first
        // whether anybody listens, and keeps its no.
        static EVERYWHERE: Once = Once::new();
        EVERYWHERE.call_once(|| {
            let _ = tracing::subscriber::set_global_default(Registry::default());
        });
        let log = Self::default();
        let subscriber = Registry::default().with(log.clone());
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The spans of idempotent calls, in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<Line> {
        self.spans("idempotent")
    }

    /// The spans of this name, in their order.
    #[must_use]
    pub fn spans(&self, name: &str) -> Vec<Line> {
        let kept = self.kept();
        kept.spans.iter().filter(|span| span.name == name).cloned().collect()
    }

    /// The events whose message contains `text`.
    #[must_use]
    pub fn events(&self, text: &str) -> Vec<Line> {
        let kept = self.kept();
        kept.events.iter().filter(|event| event.field("message").contains(text)).cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// A field's text; empty where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

struct Fields<'a>(&'a mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        let mut fields = BTreeMap::new();
        attributes.record(&mut Fields(&mut fields));
        let within = BTreeMap::new();
        let (level, name) = (*metadata.level(), metadata.name());
        let line = Line { level, name, fields, within, closed: false };
        let mut kept = self.kept();
        let at = kept.spans.len();
        kept.latest.insert(id.into_u64(), at);
        kept.spans.push(line);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(span) = self.kept().span(id.into_u64()) {
            values.record(&mut Fields(&mut span.fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields));
        let mut kept = self.kept();
        let current = context.current_span().id().map(Id::into_u64);
        let within = current.and_then(|id| kept.span(id)).map(|span| span.fields.clone());
        let within = within.unwrap_or_default();
        let level = *event.metadata().level();
        kept.events.push(Line { level, name: "", fields, within, closed: false });
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        if let Some(span) = self.kept().span(id.into_u64()) {
            span.closed = true;
        }
    }
}
