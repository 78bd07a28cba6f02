//! Distributed traces: a record keeps the span that ran its call, and replays are linked to it.

use std::sync::{Arc, Mutex};

use idempotent_core::backends::{MemoryStore, SqliteStore};
use idempotent_core::engine::TraceContext;
use idempotent_core::model::TraceParent;
use idempotent_core::{Error, Guarantee, Idempotency, Operation, Store};
use idempotent_tests::secs;
use tempfile::TempDir;
use tracing::Span;

use crate::captured::Captured;

const CHARGE: Operation = Operation::new("charge");

/// A trace context whose spans are numbered, and which remembers its links.
#[derive(Clone, Default)]
struct Traces {
    spans: Arc<Mutex<u64>>,
    links: Arc<Mutex<Vec<TraceParent>>>,
}

impl TraceContext for Traces {
    fn current(&self, call: &Span) -> Option<TraceParent> {
        assert_eq!(Span::current().id(), call.id(), "the call's span is the current one");
        let mut spans = self.spans.lock().unwrap();
        *spans += 1;
        Some(parent(*spans))
    }

    fn link(&self, replay: &Span, executed_in: TraceParent) {
        assert_eq!(Span::current().id(), replay.id(), "the call's span is the current one");
        self.links.lock().unwrap().push(executed_in);
    }
}

fn parent(span: u64) -> TraceParent {
    TraceParent::new([7; 16], span.to_be_bytes(), 1).unwrap()
}

async fn call(engine: &Idempotency, operation: Operation) {
    let call = operation.key("k").engine(engine).returning::<Result<u8, Error>>();
    call.run(|| async { Ok(7) }).await.unwrap();
}

async fn is_linked(store: impl Store) {
    let captured = Captured::start();
    let traces = Traces::default();
    let engine = Idempotency::builder(store).trace_context(traces.clone()).build();
    for _ in 0..3 {
        call(&engine, CHARGE).await;
    }
    assert_eq!(*traces.links.lock().unwrap(), [parent(1), parent(1)]);
    let calls = captured.log().calls();
    let linked: Vec<_> = calls.iter().map(|call| call.field("executed_in")).collect();
    assert_eq!(linked, ["", &parent(1).to_string(), &parent(1).to_string()]);
    let id = engine.record_id("charge", None, "k").unwrap();
    let record = engine.inspect(&id).await.unwrap().unwrap();
    assert_eq!(record.trace_parent(), Some(parent(1)));
}

#[tokio::test]
async fn a_replay_is_linked_to_the_span_that_ran() {
    is_linked(MemoryStore::new()).await;
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::builder(folder.path().join("calls.db"));
    is_linked(store.response_timeout(secs(10)).connect().await.unwrap()).await;
}

#[tokio::test]
async fn without_a_trace_context_a_record_keeps_no_span() {
    let engine = idempotent_tests::engine();
    call(&engine, CHARGE.guarantee(Guarantee::AtMostOnce)).await;
    let id = engine.record_id("charge", None, "k").unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap().unwrap().trace_parent(), None);
}

#[tokio::test]
async fn an_engine_with_a_secret_links_as_well() {
    let traces = Traces::default();
    let builder = Idempotency::builder(MemoryStore::new()).secret([7; 32]);
    let engine = builder.trace_context(traces.clone()).build();
    call(&engine, CHARGE).await;
    call(&engine, CHARGE).await;
    assert_eq!(*traces.links.lock().unwrap(), [parent(1)]);
}

/// A run of a suspended call is linked to the one before it, whether its caller or a recovery resumes it.
#[tokio::test]
async fn a_resumed_run_is_linked_to_the_run_before() {
    let captured = Captured::start();
    let traces = Traces::default();
    let engine = Idempotency::builder(MemoryStore::new()).trace_context(traces.clone()).build();
    let call = |step_only: bool| {
        let call = Operation::new("checkout").key(&7).resume(&7).engine(&engine);
        let call = call.returning::<Result<u8, Error>>();
        let call = call.on_error(|_| idempotent_core::Disposition::Suspend);
        call.run(move || async move {
            idempotent_core::step("charge", || async { Ok::<_, Error>(1) }).await?;
            if step_only {
                let call = Operation::new("none").key(&None::<u8>).returning::<Result<u8, Error>>();
                return call.run(|| async { Ok(0) }).await;
            }
            Ok(7)
        })
    };
    assert!(call(true).await.is_err());
    assert_eq!(*traces.links.lock().unwrap(), []);
    assert!(call(true).await.is_err());
    let own = traces.links.lock().unwrap().clone();
    assert_eq!(own.len(), 1);
    assert_eq!(call(false).await.unwrap(), 7);
    let links = traces.links.lock().unwrap().clone();
    assert_eq!(links.len(), 2);
    assert_ne!(links[0], links[1]);
    let calls = captured.log().calls();
    let linked = calls.iter().filter(|call| !call.field("executed_in").is_empty()).count();
    assert_eq!(linked, 2);
}
