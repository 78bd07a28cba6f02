//! Who writes, and when: a file has one writer at a time, and what a commit costs is the disk's time.
//!
//! Writes wait for their turn here, in order, and not in `SQLite`, where a waiting connection sleeps
//! and tries again, and may be overtaken for ever; only other processes are waited for there. What
//! came while a commit was under way is the next one, all of it together: each write is answered after
//! the commit that it was in, and fails for itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    Connection as _, Error, Execute as _, SqlStr, Sqlite, SqliteConnection, SqlitePool, Transaction,
};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::error::timed_out;
use super::link::Question;

/// The most writes of one commit.
const MOST: usize = 100;

/// One atomic write: a statement, or several in one transaction.
pub(super) struct Write(Vec<Step>);

struct Step {
    sql: SqlStr,
    arguments: SqliteArguments,
    answers: bool,
}

/// What a write did.
#[derive(Default)]
pub(super) struct Done {
    /// How many rows it changed, those of which it answers with rows aside.
    pub(super) changed: u64,
    pub(super) rows: Vec<SqliteRow>,
}

type Answer = Result<Done, Error>;

/// The writes of one store.
pub(super) struct Writer {
    pool: SqlitePool,
    /// The longest that a commit may take.
    timeout: Duration,
    turn: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    last: u64,
}

/// A write, and who waits for it.
struct Job {
    number: u64,
    write: Write,
    answer: oneshot::Sender<Answer>,
}

impl Job {
    fn answered(self, answer: Answer) {
        // Whoever is gone is told nothing.
        let _ = self.answer.send(answer);
    }
}

impl Write {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// And then a statement that changes something.
    pub(super) fn and(self, question: Question) -> Result<Self, Error> {
        self.step(question, false)
    }

    /// And then a statement that changes something, and answers with rows.
    pub(super) fn and_answer(self, question: Question) -> Result<Self, Error> {
        self.step(question, true)
    }

    fn step(mut self, mut question: Question, answers: bool) -> Result<Self, Error> {
        let arguments = question.take_arguments().map_err(Error::Encode)?.unwrap_or_default();
        self.0.push(Step { sql: question.sql(), arguments, answers });
        Ok(self)
    }

    async fn run(&self, connection: &mut SqliteConnection) -> Answer {
        let mut done = Done::default();
        for step in &self.0 {
            let question = sqlx::query_with(step.sql.clone(), step.arguments.clone());
            if step.answers {
                // To the end: a change that cannot be committed is an error after the last row.
                done.rows.extend(question.fetch_all(&mut *connection).await?);
            } else {
                done.changed += question.execute(&mut *connection).await?.rows_affected();
            }
        }
        Ok(done)
    }
}

impl Writer {
    pub(super) fn new(pool: SqlitePool, timeout: Duration) -> Self {
        Self { pool, timeout, turn: Arc::new(Semaphore::new(1)), queue: Mutex::default() }
    }

    /// Writes, alone or with others. Dropped before its commit began, it does not happen.
    pub(super) async fn write(&self, write: Write) -> Answer {
        let (answer, mut answered) = oneshot::channel();
        let number = self.enqueue(write, answer);
        loop {
            let turn = Arc::clone(&self.turn).acquire_owned().await;
            let turn = turn.map_err(|_| Error::WorkerCrashed)?;
            match answered.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Closed) => return Err(timed_out()),
                Err(TryRecvError::Empty) => {}
            }
            let jobs = self.next();
            let is_among_them = jobs.iter().any(|job| job.number == number);
            // A task of its own: whoever sent it may run out of time, and the others have some left.
            tokio::spawn(commit_in_turn(self.pool.clone(), jobs, self.timeout, turn));
            if is_among_them {
                return answered.await.unwrap_or_else(|_| Err(timed_out()));
            }
        }
    }

    fn enqueue(&self, write: Write, answer: oneshot::Sender<Answer>) -> u64 {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.last += 1;
        let number = queue.last;
        queue.jobs.push_back(Job { number, write, answer });
        number
    }

    /// The next writes that somebody waits for.
    fn next(&self) -> Vec<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.jobs.retain(|job| !job.answer.is_closed());
        let most = queue.jobs.len().min(MOST);
        queue.jobs.drain(..most).collect()
    }
}

/// Dropped half way, it leaves those without an answer whose time is over anyway.
async fn commit_in_turn(
    pool: SqlitePool,
    jobs: Vec<Job>,
    limit: Duration,
    turn: OwnedSemaphorePermit,
) {
    let _ = timeout(limit, commit(&pool, jobs)).await;
    drop(turn);
}

async fn commit(pool: &SqlitePool, jobs: Vec<Job>) {
    if jobs.len() > 1 {
        if let Ok(all) = commit_together(pool, &jobs).await {
            return jobs.into_iter().zip(all).for_each(|(job, done)| job.answered(Ok(done)));
        }
    }
    // One, or some of which one fails, or the disk does: whose it is shows when each is alone.
    for job in jobs {
        let answer = commit_alone(pool, &job).await;
        job.answered(answer);
    }
}

async fn commit_alone(pool: &SqlitePool, job: &Job) -> Answer {
    if job.write.0.len() == 1 {
        return job.write.run(&mut *pool.acquire().await?).await;
    }
    let mut all = commit_together(pool, std::slice::from_ref(job)).await?;
    all.pop().ok_or(Error::WorkerCrashed)
}

async fn commit_together(pool: &SqlitePool, jobs: &[Job]) -> Result<Vec<Done>, Error> {
    let mut connection = pool.acquire().await?;
    let transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let all = commit_in(transaction, jobs).await;
    if all.is_err() {
        // `SQLite` may have rolled back by itself, and then sqlx believes that it still has to.
        let _ = connection.close().await;
    }
    all
}

async fn commit_in(
    mut transaction: Transaction<'_, Sqlite>,
    jobs: &[Job],
) -> Result<Vec<Done>, Error> {
    let mut all = Vec::with_capacity(jobs.len());
    for job in jobs {
        let is_awaited = !job.answer.is_closed();
        all.push(if is_awaited { job.write.run(&mut transaction).await? } else { Done::default() });
    }
    transaction.commit().await?;
    Ok(all)
}
