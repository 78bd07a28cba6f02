//! What is logged.

use std::fmt::{Debug, Write};
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

use super::Guarantee::{AtLeastOnce, AtMostOnce};
use super::*;

/// The warnings logged by this thread, with their fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_indeterminate_record_that_is_forgotten_is_named() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let f = Fixture::with(MemoryStore::builder().max_unfinished(2));
    f.won(&id(1), AtMostOnce).await;
    f.won(&id(2), AtMostOnce).await;
    f.clock.advance(LEASE + RETENTION);
    assert!(log.lines().is_empty());

    // One is replaced by a new reservation, the other is swept.
    f.won(&id(1), AtLeastOnce).await;
    f.won(&id(3), AtLeastOnce).await;

    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains(&id(1).to_string()), "{lines:?}");
    assert!(lines[1].contains(&id(2).to_string()), "{lines:?}");
}

#[tokio::test]
async fn what_ended_as_it_should_is_not_reported() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let f = Fixture::new();
    for guarantee in [AtLeastOnce, AtMostOnce] {
        let reservation = f.won(&id(1), guarantee).await;
        f.complete(&id(1), &reservation, b"result").await;
        f.clock.advance(TTL);
        let reservation = f.won(&id(1), guarantee).await;
        f.release(&id(1), &reservation).await;
    }
    f.won(&id(1), AtLeastOnce).await;
    f.clock.advance(LEASE);
    f.won(&id(1), AtLeastOnce).await;

    assert_eq!(log.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_store_that_is_full_says_so_once() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let f = Fixture::with(MemoryStore::builder().capacity_bytes(10_000));
    for n in 0..1000 {
        let reservation = f.won(&id(n), AtLeastOnce).await;
        f.complete(&id(n), &reservation, b"result").await;
        f.store.records().completed.run_pending_tasks();
    }

    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("capacity_bytes=10000"), "{lines:?}");
}
