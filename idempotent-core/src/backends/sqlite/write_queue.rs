//! The queue of writes: a file has one writer at a time, and a commit takes as long as the disk does.
//!
//! Writes of one store wait here, in order. In `SQLite` a waiting connection sleeps and tries again, and may
//! be overtaken for ever, so only writes of other processes are waited for there. The writes that arrive
//! during a commit are all in the next one. Each is answered after its commit, and fails on its own. Those that a
//! lease depends on come first.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Connection as _, Error, Execute as _, SqlStr, Sqlite, SqliteConnection, Transaction};
use tokio::sync::oneshot::error::{RecvError, TryRecvError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::connections::{Connections, Purpose};
use super::error::timed_out;
use super::query::Query;

/// The most writes in one commit.
const MAX_BATCH: usize = 100;

/// One atomic write: a statement, or several in one transaction.
pub(super) struct Write {
    steps: Vec<Step>,
    /// Whether it overtakes those that are not.
    is_urgent: bool,
}

struct Step {
    sql: SqlStr,
    arguments: SqliteArguments,
    returns_rows: bool,
}

/// What a write has done.
#[derive(Default)]
pub(super) struct Written {
    /// How many rows were changed by statements that return none.
    pub(super) changed: u64,
    pub(super) rows: Vec<SqliteRow>,
}

type WriteResult = Result<Written, Error>;

/// The queue of one store.
pub(super) struct WriteQueue {
    connections: Arc<Connections>,
    /// The longest that a commit may take.
    timeout: Duration,
    /// One permit: only one commit runs at a time.
    commit_permit: Arc<Semaphore>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    urgent: VecDeque<QueuedWrite>,
    others: VecDeque<QueuedWrite>,
    last_number: u64,
}

/// A write, and the caller that waits for it.
struct QueuedWrite {
    number: u64,
    write: Write,
    answer: oneshot::Sender<WriteResult>,
}

impl QueuedWrite {
    fn answer(self, answer: WriteResult) {
        // Fails if the caller was dropped.
        let _ = self.answer.send(answer);
    }
}

impl Write {
    pub(super) const fn new() -> Self {
        Self { steps: Vec::new(), is_urgent: false }
    }

    /// A write that overtakes the others that wait.
    pub(super) const fn urgent() -> Self {
        Self { steps: Vec::new(), is_urgent: true }
    }

    /// Adds a statement that changes rows.
    pub(super) fn and(self, query: Query) -> Result<Self, Error> {
        self.step(query, false)
    }

    /// Adds a statement that changes rows and returns rows.
    pub(super) fn and_fetch(self, query: Query) -> Result<Self, Error> {
        self.step(query, true)
    }

    fn step(mut self, mut query: Query, returns_rows: bool) -> Result<Self, Error> {
        let arguments = query.take_arguments().map_err(Error::Encode)?.unwrap_or_default();
        self.steps.push(Step { sql: query.sql(), arguments, returns_rows });
        Ok(self)
    }

    async fn run(&self, connection: &mut SqliteConnection) -> WriteResult {
        let mut written = Written::default();
        for step in &self.steps {
            let query = sqlx::query_with(step.sql.clone(), step.arguments.clone());
            if step.returns_rows {
                // Read to the end: if a change cannot be committed, the error comes after the last row.
                written.rows.extend(query.fetch_all(&mut *connection).await?);
            } else {
                written.changed += query.execute(&mut *connection).await?.rows_affected();
            }
        }
        Ok(written)
    }
}

impl WriteQueue {
    pub(super) fn new(connections: Arc<Connections>, timeout: Duration) -> Self {
        Self {
            connections,
            timeout,
            commit_permit: Arc::new(Semaphore::new(1)),
            pending: Mutex::default(),
        }
    }

    /// Writes, alone or in one commit with others. Nothing is written if this is dropped before its commit
    /// begins.
    pub(super) async fn write(&self, write: Write) -> WriteResult {
        let (answer, mut answered) = oneshot::channel();
        let number = self.enqueue(write, answer);
        loop {
            let permit = match self.permit_unless_answered(&mut answered).await {
                Ok(permit) => permit.map_err(|_| Error::WorkerCrashed)?,
                Err(answer) => return answer.unwrap_or_else(|_| Err(timed_out())),
            };
            match answered.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Closed) => return Err(timed_out()),
                Err(TryRecvError::Empty) => {}
            }
            let batch = self.next_batch();
            let is_in_batch = batch.iter().any(|queued| queued.number == number);
            // In a task of its own: this caller may run out of time while the others still have some.
            tokio::spawn(commit_batch(Arc::clone(&self.connections), batch, self.timeout, permit));
            if is_in_batch {
                return answered.await.unwrap_or_else(|_| Err(timed_out()));
            }
        }
    }

    /// Waits for the right to commit, or for the answer from whoever has it: writes overtake each other, so the
    /// answer may come long before the right.
    async fn permit_unless_answered(
        &self,
        answered: &mut oneshot::Receiver<WriteResult>,
    ) -> Result<Result<OwnedSemaphorePermit, AcquireError>, Result<WriteResult, RecvError>> {
        let mut acquire = pin!(Arc::clone(&self.commit_permit).acquire_owned());
        poll_fn(|cx| match Pin::new(&mut *answered).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Err(answer)),
            Poll::Pending => acquire.as_mut().poll(cx).map(Ok),
        })
        .await
    }

    fn enqueue(&self, write: Write, answer: oneshot::Sender<WriteResult>) -> u64 {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.last_number += 1;
        let number = pending.last_number;
        let queue = if write.is_urgent { &mut pending.urgent } else { &mut pending.others };
        queue.push_back(QueuedWrite { number, write, answer });
        number
    }

    /// The next batch of writes whose callers still wait.
    fn next_batch(&self) -> Vec<QueuedWrite> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let Pending { urgent, others, .. } = &mut *pending;
        let mut batch = Vec::new();
        for queue in [urgent, others] {
            queue.retain(|queued| !queued.answer.is_closed());
            let size = queue.len().min(MAX_BATCH - batch.len());
            batch.extend(queue.drain(..size));
        }
        batch
    }
}

/// After `limit` it gives up: the callers of the batch have run out of time by then.
async fn commit_batch(
    connections: Arc<Connections>,
    batch: Vec<QueuedWrite>,
    limit: Duration,
    permit: OwnedSemaphorePermit,
) {
    let _ = timeout(limit, commit(&connections, batch)).await;
    drop(permit);
}

async fn commit(connections: &Connections, batch: Vec<QueuedWrite>) {
    if batch.len() > 1 {
        if let Ok(all) = commit_together(connections, &batch).await {
            let answers = batch.into_iter().zip(all);
            return answers.for_each(|(queued, written)| queued.answer(Ok(written)));
        }
    }
    // There is only one, or the commit failed. Each alone shows which of them fails.
    for queued in batch {
        let answer = commit_alone(connections, &queued).await;
        queued.answer(answer);
    }
}

async fn commit_alone(connections: &Connections, queued: &QueuedWrite) -> WriteResult {
    if queued.write.steps.len() == 1 {
        let mut borrowed = connections.acquire(Purpose::Write).await?;
        let written = queued.write.run(&mut borrowed.connection).await;
        connections.give_back(borrowed, written.as_ref().err()).await;
        return written;
    }
    let mut all = commit_together(connections, std::slice::from_ref(queued)).await?;
    all.pop().ok_or(Error::WorkerCrashed)
}

async fn commit_together(
    connections: &Connections,
    batch: &[QueuedWrite],
) -> Result<Vec<Written>, Error> {
    let mut borrowed = connections.acquire(Purpose::Write).await?;
    let all = match borrowed.connection.begin_with("BEGIN IMMEDIATE").await {
        Ok(transaction) => commit_in(transaction, batch).await,
        Err(error) => Err(error),
    };
    connections.give_back(borrowed, all.as_ref().err()).await;
    all
}

async fn commit_in(
    mut transaction: Transaction<'_, Sqlite>,
    batch: &[QueuedWrite],
) -> Result<Vec<Written>, Error> {
    let mut all = Vec::with_capacity(batch.len());
    for queued in batch {
        let is_awaited = !queued.answer.is_closed();
        all.push(if is_awaited {
            queued.write.run(&mut transaction).await?
        } else {
            Written::default()
        });
    }
    transaction.commit().await?;
    Ok(all)
}
