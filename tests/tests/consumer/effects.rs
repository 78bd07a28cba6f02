//! What handlers did, and consumers that run in the background.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{
    Attempts, Backoff, Consumer, ConsumerBuilder, ConsumerError, DeliveryOutcome, Source, Verdict,
};
use idempotent_tests::millis;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How often each payload took effect.
#[derive(Clone, Default)]
pub(crate) struct Effects(Arc<Mutex<BTreeMap<String, u32>>>);

impl Effects {
    /// Counts one, and returns how many there are.
    pub(crate) fn add(&self, payload: &str) -> u32 {
        let mut effects = self.0.lock().unwrap();
        let count = effects.entry(payload.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub(crate) fn of(&self, payload: &str) -> u32 {
        self.0.lock().unwrap().get(payload).copied().unwrap_or(0)
    }

    pub(crate) fn all(&self) -> Vec<(String, u32)> {
        self.0.lock().unwrap().clone().into_iter().collect()
    }
}

/// What became of deliveries: id, outcome, and what the broker was told.
#[derive(Clone, Default)]
pub(crate) struct Ends(Arc<Mutex<Vec<(String, DeliveryOutcome, Verdict)>>>);

impl Ends {
    pub(crate) fn watch(&self, builder: ConsumerBuilder) -> ConsumerBuilder {
        let ends = self.clone();
        builder.on_settled(move |settled| {
            let end = (settled.message.id().to_owned(), settled.outcome, settled.verdict.clone());
            ends.0.lock().unwrap().push(end);
        })
    }

    pub(crate) fn all(&self) -> Vec<(String, DeliveryOutcome, Verdict)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn outcomes(&self) -> Vec<DeliveryOutcome> {
        self.all().into_iter().map(|(_, outcome, _)| outcome).collect()
    }

    pub(crate) fn count(&self, outcome: DeliveryOutcome) -> usize {
        self.outcomes().into_iter().filter(|it| *it == outcome).count()
    }
}

pub(crate) fn engine() -> Idempotency {
    Idempotency::new(MemoryStore::new())
}

/// Attempts with short pauses.
pub(crate) fn attempts(max: u32) -> Attempts {
    Attempts::max(max).backoff(Backoff::exponential(millis(20), millis(200)))
}

/// A consumer with short pauses, and a handler that counts.
pub(crate) fn counting(engine: &Idempotency, effects: &Effects) -> Consumer {
    let effects = effects.clone();
    Consumer::builder("shop.ship", engine).attempts(attempts(3)).handler(move |payload: String| {
        effects.add(&payload);
        async { Ok::<_, String>(()) }
    })
}

/// A consumer that runs in the background until it is stopped.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ConsumerError>>,
}

impl Running {
    pub(crate) fn start(consumer: &Consumer, source: impl Source) -> Self {
        let consumer = consumer.clone();
        let (stop, stopped) = oneshot::channel();
        let task =
            tokio::spawn(async move { consumer.run(source, async { drop(stopped.await) }).await });
        Self { stop: Some(stop), task }
    }

    /// Stops it, and waits for it.
    pub(crate) async fn stop(mut self) -> Result<(), ConsumerError> {
        drop(self.stop.take());
        self.task.await.unwrap()
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<(), ConsumerError> {
        let _stop = self.stop;
        self.task.await.unwrap()
    }

    /// Ends it as a crash does.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Waits for this to become true.
pub(crate) async fn until(is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it becomes true");
}
