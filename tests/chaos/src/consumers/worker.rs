//! A worker process: consumes until its input is closed, and writes down what it did.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use idempotent_core::consumer::{
    Attempts, Backoff, Consumer, ConsumerBuilder, Failure, InboxTransaction, Settled as Told,
    Source,
};
use idempotent_core::{Guarantee, Idempotency};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres};
use tokio::io::AsyncReadExt as _;
use tokio::time::sleep;

use super::{Settings, Store, inbox, store};
use crate::ledger::{Effect, EffectId, Event, Ledger, Process, Settled};
use crate::resources;
use crate::timestamp::Timestamp;

const NAME: &str = "chaos.message";

/// Most handlers are quick, and some run for longer than a lease.
const QUICK: Duration = Duration::from_millis(50);

/// A message that cannot be handled.
pub(super) fn is_poison(key: u32) -> bool {
    key % 100 == 99
}

/// What a worker is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    pub(super) process: Process,
    pub(super) broker: String,
    pub(super) broker_url: String,
    pub(super) store_url: String,
    pub(super) is_inbox: bool,
    pub(super) is_at_most_once: bool,
    pub(super) handlers: usize,
    pub(super) deadline: Duration,
    pub(super) folder: PathBuf,
}

impl Assignment {
    pub(super) fn new(
        settings: &Settings,
        process: Process,
        broker: &str,
        folder: PathBuf,
    ) -> Self {
        Self {
            process,
            broker: broker.to_owned(),
            broker_url: String::new(),
            store_url: String::new(),
            is_inbox: settings.store == Store::Inbox,
            is_at_most_once: settings.guarantee == Guarantee::AtMostOnce,
            handlers: settings.handlers,
            deadline: settings.deadline,
            folder,
        }
    }

    /// Reads what a launched process was given.
    ///
    /// # Errors
    ///
    /// If it is no assignment.
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("the assignment")
    }

    /// The name of the broker.
    #[must_use]
    pub fn broker(&self) -> &str {
        &self.broker
    }

    /// Where the broker is.
    #[must_use]
    pub fn broker_url(&self) -> &str {
        &self.broker_url
    }

    /// After how long the broker delivers a message again of which it hears nothing.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}

/// Runs a worker's work on a runtime of its own.
#[cfg(feature = "rows")]
pub(super) fn block_on(working: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let worked = runtime.block_on(working);
    runtime.shutdown_background();
    worked
}

/// Consumes what the source delivers, until the process's input is closed.
///
/// # Errors
///
/// If it cannot, which says nothing of the promises.
pub async fn work(assignment: &Assignment, source: impl Source) -> Result<()> {
    // One that stands still does not see its input close.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let (engine, pool) = store::engine(assignment).await?;
    let ledger = Ledger::open(&assignment.folder, assignment.process)?;
    let shop = Arc::new(Shop { ledger, effects: Mutex::default(), lease: assignment.deadline / 2 });
    let consumer = shop.consumer(assignment, &engine, pool.filter(|_| assignment.is_inbox));
    let before = resources::now();
    let closed = async {
        // However it ends.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    consumer.run(source, closed).await?;
    let after = resources::settled(before.tasks, Duration::from_secs(5)).await;
    shop.ledger.write(&Event::ResourceUsage { before, after })?;
    Ok(())
}

/// What handlers share.
struct Shop {
    ledger: Ledger,
    /// The last effect of each message in this process.
    effects: Mutex<HashMap<u32, EffectId>>,
    lease: Duration,
}

impl Shop {
    fn consumer(
        self: &Arc<Self>,
        assignment: &Assignment,
        engine: &Idempotency,
        pool: Option<PgPool>,
    ) -> Consumer {
        let builder = self.builder(assignment, engine);
        let shop = Arc::clone(self);
        let Some(pool) = pool else {
            let handle = move |key: String| {
                let shop = Arc::clone(&shop);
                async move { shop.handle(&key).await }
            };
            return builder.handler_with(handle, meaning);
        };
        let handle = move |key: String, mut tx: InboxTransaction<Postgres>| {
            let shop = Arc::clone(&shop);
            async move { shop.handle_within(&key, &mut tx).await }
        };
        builder.within(pool).handler_with(handle, meaning)
    }

    fn builder(self: &Arc<Self>, assignment: &Assignment, engine: &Idempotency) -> ConsumerBuilder {
        let shop = Arc::clone(self);
        let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1));
        let builder = Consumer::builder(NAME, engine)
            .concurrency(assignment.handlers)
            .lease(self.lease)
            // Of workers that die with it, too.
            .attempts(Attempts::max(50).backoff(backoff))
            .on_settled(move |told| shop.told(told));
        if assignment.is_at_most_once { builder.guarantee(Guarantee::AtMostOnce) } else { builder }
    }

    async fn handle(&self, key: &str) -> Result<(), Failed> {
        let (key, began) = self.begin(key).await?;
        let effect = self.ledger.take_effect(key, began).map_err(Failed::from)?;
        self.had(key, effect);
        Ok(())
    }

    async fn handle_within(
        &self,
        key: &str,
        tx: &mut InboxTransaction<Postgres>,
    ) -> Result<(), Failed> {
        let (key, began) = self.begin(key).await?;
        let id = self.ledger.next_effect();
        let effect = Effect { id, key, began, at: Timestamp::now() };
        inbox::insert(tx, effect).await.map_err(|error| Failed::Retry(error.to_string()))?;
        self.had(key, id);
        Ok(())
    }

    /// Takes the time that it takes.
    async fn begin(&self, key: &str) -> Result<(u32, Timestamp), Failed> {
        let key: u32 = key.parse().map_err(|_| Failed::Poison)?;
        let began = Timestamp::now();
        self.ledger.write(&Event::Began { key, at: began })?;
        if is_poison(key) {
            return Err(Failed::Poison);
        }
        let longest = if fastrand::u8(..10) == 0 { self.lease.mul_f64(1.2) } else { QUICK };
        sleep(longest.mul_f64(fastrand::f64())).await;
        Ok((key, began))
    }

    fn had(&self, key: u32, effect: EffectId) {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner).insert(key, effect);
    }

    fn told(&self, told: &Told<'_>) {
        let Ok(key) = told.message.id().parse() else { return };
        let outcome = told.outcome.as_str();
        let effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = Settled {
            at: Timestamp::now(),
            key,
            outcome: outcome.to_owned(),
            effect: effects.get(&key).copied().filter(|_| outcome == "executed"),
            confirmed: told.confirmed,
        };
        must(self.ledger.write(&Event::Settled(settled)));
    }
}

/// A ledger with gaps proves nothing, so the process ends, and the run with it.
fn must(written: io::Result<()>) {
    if let Err(error) = written {
        eprintln!("the ledger cannot be written: {error}");
        std::process::exit(74);
    }
}

/// Why a handler fails.
#[derive(Debug)]
enum Failed {
    Poison,
    Retry(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        must(Err(error));
        Self::Poison
    }
}

impl From<Failed> for Box<dyn std::error::Error + Send + Sync> {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Poison => "it is no good".into(),
            Failed::Retry(why) => why.into(),
        }
    }
}

fn meaning(failed: &Failed) -> Failure {
    match failed {
        Failed::Poison => Failure::Permanent,
        Failed::Retry(_) => Failure::Retry,
    }
}
