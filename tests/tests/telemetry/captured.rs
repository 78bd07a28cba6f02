//! What was captured while calls ran: their spans, and what the metrics counted.

use std::collections::BTreeMap;

use idempotent_tests::{Line, Log, secs, until_within};
use metrics::LocalRecorderGuard;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tracing::subscriber::DefaultGuard;

/// What this thread's calls told, until it is dropped.
pub(crate) struct Captured {
    log: Log,
    snapshotter: Snapshotter,
    _listening: (DefaultGuard, LocalRecorderGuard<'static>),
}

/// A metric's name with its labels in the order of their names, as in `calls{outcome=executed}`.
type Metrics = BTreeMap<String, DebugValue>;

impl Captured {
    pub(crate) fn start() -> Self {
        let (log, listening) = Log::listen();
        let recorder = Box::leak(Box::new(DebuggingRecorder::new()));
        let recording = metrics::set_default_local_recorder(recorder);
        Self { log, snapshotter: recorder.snapshotter(), _listening: (listening, recording) }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The only call's span.
    pub(crate) fn call(&self) -> Line {
        let calls = self.log.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls[0].clone()
    }

    /// How the only call ended, which must be over: what its span and the counter say, which must be the same.
    pub(crate) fn end(&self) -> String {
        let span = self.call();
        assert!(span.closed, "{span:?}");
        let end = end_of(&span);
        assert_eq!(self.counted(), [(end.clone(), 1)], "the counter says otherwise");
        end
    }

    /// The same, once it is over: a thread of the database may hold the span a moment longer.
    pub(crate) async fn end_soon(&self) -> String {
        until_within(secs(20), async || self.call().closed).await;
        self.end()
    }

    /// How all calls ended, by their spans.
    pub(crate) fn ends(&self) -> Vec<String> {
        self.log.calls().iter().map(end_of).collect()
    }

    /// That the body's line is within its call's span, which was open.
    pub(crate) fn assert_body_is_inside(&self) {
        let lines = self.log.events("in the body");
        assert!(!lines.is_empty(), "no body said anything");
        for line in lines {
            assert!(line.within.contains_key("operation"), "{line:?}");
            assert!(!line.within.contains_key("outcome"), "its call had ended: {line:?}");
        }
    }

    /// What was recorded since it was asked last.
    pub(crate) fn metrics(&self) -> Metrics {
        let recorded = self.snapshotter.snapshot().into_vec().into_iter();
        let named = recorded.map(|(key, .., value)| {
            let key = key.key();
            let mut labels: Vec<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            labels.sort();
            (format!("{}{{{}}}", key.name(), labels.join(",")), value)
        });
        named.collect()
    }

    /// How often calls ended in each way, by the counter, as [`end`](Self::end) writes it.
    pub(crate) fn counted(&self) -> Vec<(String, u64)> {
        let metrics = self.metrics();
        let counted = metrics.iter().filter_map(|(name, value)| {
            let labels = name.strip_prefix("idempotent_calls_total{")?.strip_suffix('}')?;
            let label = |wanted: &str| {
                let mut labels = labels.split(',').filter_map(|label| label.split_once('='));
                labels.find(|(name, _)| *name == wanted).unwrap().1.to_owned()
            };
            let DebugValue::Counter(count) = value else { panic!("{value:?}") };
            Some((format!("{} {}", label("outcome"), label("disposition")), *count))
        });
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

/// `executed kept`: the outcome, and what became of the key.
fn end_of(span: &Line) -> String {
    let disposition = match span.field("disposition") {
        "" => "none",
        disposition => disposition,
    };
    format!("{} {disposition}", span.field("outcome"))
}
