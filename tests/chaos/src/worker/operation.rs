//! The idempotent operation: its body takes effect in the ledger.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use idempotent_core::call::CallOutcome;
use idempotent_core::{Call, Error, Idempotency, Operation};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Assignment;
use crate::ledger::{Answer, EffectId, Event, Ledger, Phase, Said};
use crate::timestamp::Timestamp;

/// The operation, and what it needs.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) engine: Idempotency,
    pub(super) ledger: Arc<Ledger>,
    operation: Operation,
}

/// One call, as it was drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    /// The key.
    pub(super) key: u32,
    /// How long it waits for another call with this key, if it waits.
    pub(super) wait: Option<Duration>,
    /// After how long its caller goes away, if it does.
    pub(super) patience: Option<Duration>,
    /// What its body does, should it run.
    pub(super) body: Body,
}

/// What a body does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Body {
    /// It takes so long to take effect.
    pub(super) before: Duration,
    /// And so long to return after it did.
    pub(super) after: Duration,
    /// It returns an error instead of taking effect.
    pub(super) declines: bool,
}

/// Why a call gave no effect.
pub(super) enum Failure {
    /// The body declined.
    Declined,
    /// The engine refused.
    Refused(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declined => f.write_str("Declined"),
            Self::Refused(error) => write!(f, "Refused({error})"),
        }
    }
}

const OPERATION: Operation = Operation::new("chaos");
const WARM_UP: Operation = Operation::new("warm-up");

impl Shop {
    pub(super) fn new(engine: Idempotency, ledger: Arc<Ledger>, assignment: &Assignment) -> Self {
        let operation = OPERATION.guarantee(assignment.guarantee()).lease(assignment.lease);
        Self { engine, ledger, operation }
    }

    /// Runs what is started lazily, so that it counts as there before the load. What fails, fails:
    /// a worker may be started while its server is down.
    pub(super) async fn warm_up(&self, tasks: usize) {
        let mut calls = JoinSet::new();
        for task in 0..tasks {
            let engine = self.engine.clone();
            let key = (self.ledger.process(), task);
            calls.spawn(async move {
                let call = WARM_UP.key(&key).engine(&engine).returning::<Result<(), Error>>();
                call.run(|| async { Ok(()) }).await.is_ok()
            });
        }
        calls.join_all().await;
    }

    fn call(&self, key: u32, wait: Option<Duration>) -> Call<EffectId, Failure> {
        let operation = match wait {
            Some(wait) => self.operation.wait(wait),
            None => self.operation,
        };
        operation.key(&key).engine(&self.engine).returning::<Result<EffectId, Failure>>()
    }

    /// Makes the call, and writes the answer down if its caller was there to get it.
    pub(super) async fn order(&self, draw: Draw, during: Phase) -> Option<Said> {
        let key = draw.key;
        let call = self.call(key, draw.wait);
        let said = match draw.patience {
            None => {
                let (result, ended) =
                    call.run_with_outcome(|| body(&self.ledger, key, draw.body)).await;
                said(result, ended == CallOutcome::Executed)
            }
            Some(patience) => {
                let mine = Arc::new(OnceLock::new());
                let (ledger, told) = (Arc::clone(&self.ledger), Arc::clone(&mine));
                let work = move || async move {
                    let result = body(&ledger, key, draw.body).await;
                    if let Ok(id) = result {
                        let _ = told.set(id);
                    }
                    result
                };
                let result = timeout(patience, call.run_detached(work)).await.ok()?;
                let executed = matches!(&result, Ok(id) if mine.get() == Some(id));
                said(result, executed)
            }
        };
        let answer = Answer { at: Timestamp::now(), key, during, said: said.clone() };
        must(self.ledger.write(&Event::Answer(answer)));
        Some(said)
    }
}

async fn body(ledger: &Ledger, key: u32, body: Body) -> Result<EffectId, Failure> {
    let began = Timestamp::now();
    if body.declines {
        return Err(Failure::Declined);
    }
    pass(body.before).await;
    let effect = must(ledger.take_effect(key, began));
    pass(body.after).await;
    Ok(effect)
}

async fn pass(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

fn said(result: Result<EffectId, Failure>, executed: bool) -> Said {
    match result {
        Ok(effect) if executed => Said::Executed(effect),
        Ok(effect) => Said::Replayed(effect),
        Err(Failure::Declined) => Said::Declined,
        Err(Failure::Refused(error)) => Said::Refused(error.code().to_owned()),
    }
}

/// A ledger with gaps proves nothing, so the process ends, and the run with it.
fn must<T>(written: std::io::Result<T>) -> T {
    written.unwrap_or_else(|error| {
        eprintln!("the ledger cannot be written: {error}");
        std::process::exit(74);
    })
}
