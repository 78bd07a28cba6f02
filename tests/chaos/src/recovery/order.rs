//! The call: ten steps, two of them *at most once*, two of them at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use idempotent_core::engine::Recovery;
use idempotent_core::{Error, Guarantee, Idempotency, Operation, current};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::ledger::{Event, Ledger, Run};

/// How many steps a call has.
pub(super) const STEPS: u32 = 10;

/// The operation's name.
pub(super) const OPERATION: &str = "chaos.order";

/// The longest pause before an effect and after it, in milliseconds.
const LONGEST_PAUSE: u64 = 60;

/// How often a recovery looks.
pub(super) const POLL: Duration = Duration::from_millis(200);

/// The input of a call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) number: u32,
}

/// A step whose name is not the same in two builds.
pub(super) const RENAMED: u32 = 3;

/// A build of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Build {
    Before,
    /// Which has another name for one of the steps.
    After,
}

impl Build {
    /// What it calls the step that was renamed.
    pub(super) const fn renamed(self) -> &'static str {
        match self {
            Self::Before => "charge",
            Self::After => "capture",
        }
    }
}

/// What a process runs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) build: Build,
    /// Bodies stand still once this step is recorded.
    pub(super) halts_after: Option<u32>,
}

/// Whether a step is *at most once*.
pub(super) const fn is_once(step: u32) -> bool {
    matches!(step, 2 | 7)
}

/// What a step returns.
pub(super) const fn result_of_step(order: u32, step: u32) -> u64 {
    order as u64 * 100 + step as u64
}

/// What a call returns.
pub(super) fn result(order: u32) -> u64 {
    (0..STEPS).map(|step| result_of_step(order, step)).sum()
}

/// What the calls of one process share.
#[derive(Clone)]
pub(super) struct Shop {
    pub(super) engine: Idempotency,
    pub(super) ledger: Arc<Ledger>,
    pub(super) lease: Duration,
    pub(super) code: Code,
}

impl Shop {
    /// Makes a call, and notes what it was told.
    pub(super) async fn order(&self, order: Order) -> Result<u64, Error> {
        self.ledger.note(order.number, Event::Asked);
        let operation = Operation::new(OPERATION).lease(self.lease).key(&order.number);
        let call = operation.engine(&self.engine).resume(&order);
        let call = call.returning::<Result<u64, Error>>();
        let result = call.run(|| body(self.clone(), order)).await?;
        self.ledger.note(order.number, Event::Answered { result });
        Ok(result)
    }

    /// A recovery of these calls, which no number of deaths makes give up.
    pub(super) fn recovery(&self) -> Recovery {
        let shop = self.clone();
        let recovery = Recovery::new(&self.engine).poll_every(POLL);
        recovery.concurrency(64).max_attempts(10_000).operation(OPERATION, move |order: Order| {
            let shop = shop.clone();
            async move { shop.order(order).await }
        })
    }
}

/// Its body.
async fn body(shop: Shop, order: Order) -> Result<u64, Error> {
    let run = Noted::start(Arc::clone(&shop.ledger), order);
    let step = async |step| effect(&run, shop.code.build, step).await;
    let sum = async {
        let (first, second) = tokio::try_join!(step(0), step(1))?;
        let mut sum = first + second;
        for at in 2..STEPS {
            sum += step(at).await?;
            if shop.code.halts_after == Some(at) {
                std::future::pending::<()>().await;
            }
        }
        Ok(sum)
    };
    let ended = sum.await;
    run.end(&ended);
    ended
}

async fn effect(run: &Noted, build: Build, at: u32) -> Result<u64, Error> {
    let order = run.order.number;
    let guarantee = if is_once(at) { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce };
    let name = if at == RENAMED { build.renamed() } else { "line" };
    let step = Operation::new(name).guarantee(guarantee).step().key(&at);
    run.note(Event::Wanted { step: at });
    let ran = step.returning::<Result<u64, Error>>().run(|| async {
        run.note(Event::Entered { step: at });
        pause().await;
        let key = current().map(|step| step.derive("provider").to_string());
        run.note(Event::Effect { step: at, key: key.unwrap_or_default() });
        pause().await;
        Ok(result_of_step(order, at))
    });
    let result = ran.await?;
    run.note(Event::Recorded { step: at });
    Ok(result)
}

/// A run of the body, as the ledger has it. Its end is noted, also when it is dropped.
struct Noted {
    ledger: Arc<Ledger>,
    order: Order,
    run: Run,
    has_ended: AtomicBool,
}

impl Noted {
    fn start(ledger: Arc<Ledger>, order: Order) -> Self {
        let run = ledger.next_run();
        let noted = Self { ledger, order, run, has_ended: AtomicBool::new(false) };
        noted.note(Event::Started);
        noted
    }

    fn note(&self, event: Event) {
        self.ledger.write(self.order.number, self.run, event);
    }

    fn end(&self, ended: &Result<u64, Error>) {
        let (code, why) = match ended {
            Ok(_) => ("ok", String::new()),
            Err(error) => (error.code(), error.to_string()),
        };
        self.has_ended.store(true, Ordering::Relaxed);
        self.note(Event::Ended { code: code.to_owned(), why });
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if !self.has_ended.load(Ordering::Relaxed) {
            self.note(Event::Ended { code: "dropped".to_owned(), why: String::new() });
        }
    }
}

async fn pause() {
    sleep(Duration::from_millis(fastrand::u64(..LONGEST_PAUSE))).await;
}
