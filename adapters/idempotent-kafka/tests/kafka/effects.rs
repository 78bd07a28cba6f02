//! What handlers did, and consumers that run in the background.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{
    Attempts, Backoff, Consumer, ConsumerBuilder, ConsumerError, DeliveryOutcome, Source, Verdict,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

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

/// What became of deliveries: outcome, and what the broker was told.
#[derive(Clone, Default)]
pub(crate) struct Ends(Arc<Mutex<Vec<(DeliveryOutcome, Verdict)>>>);

impl Ends {
    pub(crate) fn watch(&self, builder: ConsumerBuilder) -> ConsumerBuilder {
        let ends = self.clone();
        builder.on_settled(move |settled| {
            ends.0.lock().unwrap().push((settled.outcome, settled.verdict.clone()));
        })
    }

    pub(crate) fn all(&self) -> Vec<(DeliveryOutcome, Verdict)> {
        self.0.lock().unwrap().clone()
    }

    /// How many messages are done with.
    pub(crate) fn finals(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, verdict)| verdict.is_final()).count()
    }
}

pub(crate) fn engine() -> Idempotency {
    Idempotency::new(MemoryStore::new())
}

/// Attempts with short pauses.
pub(crate) fn attempts(max: u32) -> Attempts {
    Attempts::max(max).backoff(Backoff::constant(millis(200)))
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
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ConsumerError>>,
}

impl Running {
    pub(crate) fn start(consumer: &Consumer, source: impl Source) -> Self {
        let consumer = consumer.clone();
        let (stop, stopped) = oneshot::channel();
        let task =
            tokio::spawn(async move { consumer.run(source, async { drop(stopped.await) }).await });
        Self { stop, task }
    }

    /// Stops it, and waits for it.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }
}

/// Waits for this to become true.
pub(crate) async fn until(is_true: impl Fn() -> bool) {
    let waiting = async {
        while !is_true() {
            tokio::time::sleep(millis(10)).await;
        }
    };
    tokio::time::timeout(secs(90), waiting).await.expect("it becomes true");
}
