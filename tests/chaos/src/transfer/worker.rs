//! A worker process: makes every transfer, again and again until it is told that it was made, and
//! breaks its own calls on the way.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fastrand::Rng;
use idempotent_core::store::is_conflict;
use serde::{Deserialize, Serialize};
use sqlx::error::DatabaseError;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Level;
use super::bank::{BankError, Order, Terms, transfer};
use super::book::{Book, Entries};
use super::desk::Desk;

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
    pub(super) mischief: u64,
    pub(super) book: PathBuf,
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
    let known: HashSet<u32> = Entries::read(&assignment.book)?.answers.into_keys().collect();
    let (level, tasks) = (assignment.level, assignment.tasks);
    let desk = Desk::open(&assignment.url, level, "worker", tasks).await?;
    let book = Book::open(&assignment.book)?;
    let teller = Arc::new(Teller { assignment, desk, book });
    let mut tasks = JoinSet::new();
    for task in 0..teller.assignment.tasks {
        let (teller, known) = (teller.clone(), known.clone());
        tasks.spawn(async move {
            let mut random = Rng::with_seed(teller.assignment.mischief ^ u64::from(task));
            let own = (task..teller.assignment.transfers).step_by(teller.assignment.tasks as usize);
            for number in own.filter(|number| !known.contains(number)) {
                teller.handle(number, &mut random).await?;
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

struct Teller {
    assignment: Assignment,
    desk: Desk,
    book: Book,
}

/// How a call ended that has no answer.
type Missed = (&'static str, Option<BankError>);

impl Teller {
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
                _ => self.desk.call(&order, terms).await.map_err(missed),
            };
            let (why, error) = match ended {
                Ok(answer) => return Ok(self.book.answered(number, answer)?),
                Err(missed) => missed,
            };
            if let Some(BankError::Idempotency(error)) = &error
                && !error.is_retryable()
            {
                self.book.broken(number, &error.to_string())?;
                bail!("transfer {number}: {error}");
            }
            self.book.not_answered(number, why)?;
            sleep(Duration::from_millis(random.u64(1..30))).await;
        }
    }

    /// The whole of it is dropped after some time, wherever it is: its commit, too.
    async fn hang_up(&self, order: &Order, terms: Terms, random: &mut Rng) -> Result<i64, Missed> {
        let after = Duration::from_micros(random.u64(0..30_000));
        match timeout(after, self.desk.call(order, terms)).await {
            Ok(called) => called.map_err(missed),
            Err(_) => Err(("hung up", None)),
        }
    }

    /// The call is dropped after some time, and its transaction committed all the same.
    async fn abandon(&self, order: &Order, terms: Terms, random: &mut Rng) -> Result<i64, Missed> {
        let begun = self.desk.pool.begin_with(self.desk.level.begin()).await;
        let mut tx = begun.map_err(|error| missed(error.into()))?;
        let after = Duration::from_micros(random.u64(0..15_000));
        let called = timeout(after, transfer(&self.desk.engine, &mut tx, order, terms)).await;
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
