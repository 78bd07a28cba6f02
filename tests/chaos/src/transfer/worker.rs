//! A worker process: makes every transfer, again and again until it is told that it was made, and
//! breaks its own calls on the way.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use idempotent_core::backends::is_conflict;
use serde::{Deserialize, Serialize};
use sqlx::error::DatabaseError;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Level;
use super::answer_log::{AnswerLog, LoggedAnswers};
use super::bank::{BankError, Order, Terms, transfer};
use super::bank_client::BankClient;

/// What refuses a commit whose call has not ended.
const NOT_ENDED: &str = "idempotent_call_dropped_half_way";

/// What a worker is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) url: String,
    pub(super) level: Level,
    pub(super) transfers: u32,
    pub(super) tasks: u32,
    /// Says what each transfer is.
    pub(super) seed: u64,
    /// Says how this process breaks its calls.
    pub(super) fault_seed: u64,
    pub(super) answer_log: PathBuf,
}

pub(super) fn main(assignment: &str) -> Result<ExitCode> {
    let assignment: Assignment = serde_json::from_str(assignment).context("an assignment")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("a runtime")?;
    runtime.block_on(work(assignment))?;
    Ok(ExitCode::SUCCESS)
}

async fn work(assignment: Assignment) -> Result<()> {
    // Answers of an earlier life are not asked for again; all else is.
    let known: HashSet<u32> =
        LoggedAnswers::read(&assignment.answer_log)?.answers.into_keys().collect();
    let (level, tasks) = (assignment.level, assignment.tasks);
    let client = BankClient::open(&assignment.url, level, "worker", tasks).await?;
    let answer_log = AnswerLog::open(&assignment.answer_log)?;
    let worker = Arc::new(Worker { assignment, client, answer_log });
    let mut tasks = JoinSet::new();
    for task in 0..worker.assignment.tasks {
        let (worker, known) = (worker.clone(), known.clone());
        tasks.spawn(async move {
            let mut random = Rng::with_seed(worker.assignment.fault_seed ^ u64::from(task));
            let own = (task..worker.assignment.transfers).step_by(worker.assignment.tasks as usize);
            for number in own.filter(|number| !known.contains(number)) {
                worker.handle(number, &mut random).await?;
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

struct Worker {
    assignment: Assignment,
    client: BankClient,
    answer_log: AnswerLog,
}

/// How a call ended that has no answer.
type Missed = (&'static str, Option<BankError>);

impl Worker {
    /// Until there is an answer.
    async fn handle(&self, number: u32, random: &mut Rng) -> Result<()> {
        let order = Order::numbered(number, self.assignment.seed);
        loop {
            let terms = Terms {
                patience: Duration::from_millis(if random.bool() { 500 } else { 0 }),
                decline: random.u8(..) < 12,
            };
            let ended = match random.u8(..) {
                0..8 => self.hang_up(&order, terms, random).await,
                8..24 => self.abandon(&order, terms, random).await,
                _ => self.client.call(&order, terms).await.map_err(missed),
            };
            let (why, error) = match ended {
                Ok(answer) => return Ok(self.answer_log.answered(number, answer)?),
                Err(missed) => missed,
            };
            if let Some(BankError::Idempotency(error)) = &error
                && !error.is_retryable()
            {
                self.answer_log.broken(number, &error.to_string())?;
                bail!("transfer {number}: {error}");
            }
            self.answer_log.not_answered(number, why)?;
            sleep(Duration::from_millis(random.u64(1..30))).await;
        }
    }

    /// The whole of it is dropped after some time, wherever it is: its commit, too.
    async fn hang_up(&self, order: &Order, terms: Terms, random: &mut Rng) -> Result<i64, Missed> {
        let after = Duration::from_micros(random.u64(0..30_000));
        match timeout(after, self.client.call(order, terms)).await {
            Ok(called) => called.map_err(missed),
            Err(_) => Err(("hung up", None)),
        }
    }

    /// The call is dropped after some time, and its transaction committed all the same.
    async fn abandon(&self, order: &Order, terms: Terms, random: &mut Rng) -> Result<i64, Missed> {
        let begun = self.client.pool.begin_with(self.client.level.begin()).await;
        let mut tx = begun.map_err(|error| missed(error.into()))?;
        let after = Duration::from_micros(random.u64(0..15_000));
        let called = timeout(after, transfer(&self.client.engine, &mut tx, order, terms)).await;
        let committed = tx.commit().await;
        match called {
            Ok(Ok(answer)) => committed.map(|()| answer).map_err(|error| missed(error.into())),
            Ok(Err(error)) => Err(missed(error)),
            Err(_) => {
                let refused = committed.as_ref().is_err_and(|error| {
                    let said = error.as_database_error();
                    said.and_then(DatabaseError::constraint) == Some(NOT_ENDED)
                });
                Err((if refused { "abandoned, refused" } else { "abandoned" }, None))
            }
        }
    }
}

fn missed(error: BankError) -> Missed {
    let why = match &error {
        error if is_conflict(error) => "conflict",
        BankError::Declined => "declined",
        BankError::Database(_) => "database",
        BankError::Idempotency(error) => error.code(),
    };
    (why, Some(error))
}
