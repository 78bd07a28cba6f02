//! What is seen from outside: spans and metrics.

use std::sync::{Arc, Mutex};

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{Consumer, Message};
use idempotent_core::engine::TraceContext;
use idempotent_core::model::TraceParent;
use idempotent_core::testing::sources::TestBroker;
use idempotent_tests::Log;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing::Span;

use crate::effects::attempts;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[derive(Clone, Default)]
struct Linked(Arc<Mutex<Vec<String>>>);

impl TraceContext for Linked {
    fn current(&self, _: &Span) -> Option<TraceParent> {
        None
    }

    fn link(&self, _: &Span, parent: TraceParent) {
        self.0.lock().unwrap().push(parent.to_string());
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

async fn consume(engine: &Idempotency) {
    let broker = TestBroker::new();
    let consumer = Consumer::builder("shop.ship", engine).attempts(attempts(2)).handler(
        |it: String| async move {
            if it == "payload-secret" { Err("the carrier is down") } else { Ok(()) }
        },
    );
    let message = |id, payload: &str| {
        Message::new(id, "parcels", payload.to_owned()).with_header("traceparent", PARENT)
    };
    broker.publish_message(message("7", "tea"));
    broker.publish_message(message("7", "tea"));
    broker.publish_message(message("8", "payload-secret"));
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
}

#[test]
fn a_delivery_has_one_span_that_is_linked_to_its_publisher() {
    let (log, _guard) = Log::listen();
    let linked = Linked::default();
    let store = MemoryStore::new();
    let engine = Idempotency::builder(store).trace_context(linked.clone()).build();
    run(consume(&engine));
    let spans = log.spans("consume");
    assert_eq!(spans.len(), 4, "two deliveries of one message, two attempts of the other");
    for span in &spans {
        assert_eq!(span.field("messaging.system"), "test");
        assert_eq!(span.field("messaging.destination.name"), "parcels");
        assert_eq!(span.field("messaging.consumer.group.name"), "shop.ship");
        assert_eq!(span.field("published_in"), PARENT);
        assert!(span.closed);
    }
    let ends: Vec<_> =
        spans.iter().map(|it| format!("{} {}", it.field("outcome"), it.field("verdict"))).collect();
    for end in ["executed completed", "replayed completed", "failed retry", "failed parked"] {
        assert!(ends.iter().any(|it| it == end), "{end}: {ends:?}");
    }
    assert_eq!(linked.0.lock().unwrap().len(), 4);
    assert_eq!(log.events("a message is parked").len(), 1);
    let text = format!("{spans:?} {:?}", log.events(""));
    assert!(!text.contains("payload-secret"), "a payload is in the log");
}

#[test]
fn deliveries_attempts_and_parked_messages_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let engine = Idempotency::new(MemoryStore::new());
    metrics::with_local_recorder(&recorder, || run(consume(&engine)));
    let mut counted = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        if !key.name().starts_with("idempotent_consumer") {
            continue;
        }
        let labels: Vec<_> =
            key.labels().map(|it| format!("{}={}", it.key(), it.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(values) => format!("{} values", values.len()),
        };
        counted.push(format!("{} {} {value}", key.name(), labels.join(",")));
    }
    let consumer = "consumer=shop.ship";
    for expected in [
        format!("idempotent_consumer_deliveries_total {consumer},outcome=executed 1"),
        format!("idempotent_consumer_deliveries_total {consumer},outcome=replayed 1"),
        format!("idempotent_consumer_deliveries_total {consumer},outcome=failed 2"),
        format!("idempotent_consumer_parked_total {consumer},reason=attempts_used_up 1"),
        format!("idempotent_consumer_handler_seconds {consumer},outcome=failed 2 values"),
        format!("idempotent_consumer_attempts {consumer} 3 values"),
        format!("idempotent_consumer_in_hand {consumer} 0"),
        format!("idempotent_consumer_paused {consumer} 0"),
    ] {
        assert!(counted.contains(&expected), "{expected}: {counted:#?}");
    }
    assert!(counted.iter().any(|it| it.starts_with("idempotent_consumer_lag")), "{counted:#?}");
}
