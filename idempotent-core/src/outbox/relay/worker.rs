//! Delivering one batch: takes some keys, publishes their messages, records the outcomes.
//!
//! A batch is a transaction whose locks are the keys. It writes only after everything is published, so it
//! does not hold back a vacuum meanwhile. However it ends, its keys are free again.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use sqlx::{Row, query};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::batch::BatchOutcome;
use super::failures::Failures;
use super::key_queue::{DeliveryLimits, KeyOutcome, KeyQueue};
use super::lost_topics::LostTopics;
use super::options::Options;
use super::pass::Pass;
use super::stop_flag::StopFlag;
use super::transaction::{End, KeyTransaction};
use crate::outbox::message_row::MessageRow;
use crate::outbox::telemetry::Telemetry;
use crate::outbox::{Outbox, OutboxError, Publish};

/// Delivers the batches of one relay.
pub(super) struct Worker {
    outbox: Outbox,
    broker: Arc<dyn Publish>,
    pub(super) options: Options,
    lost_topics: Arc<LostTopics>,
}

impl Worker {
    pub(super) fn new(outbox: Outbox, broker: Arc<dyn Publish>) -> Self {
        Self { outbox, broker, options: Options::default(), lost_topics: Arc::default() }
    }

    /// Delivers the messages of the keys after `after`. `is_down` says that the broker has not answered
    /// lately.
    pub(super) async fn deliver_batch(
        &self,
        after: &str,
        is_down: bool,
        stop: &StopFlag,
    ) -> Result<BatchOutcome, OutboxError> {
        let start = Instant::now();
        let mut transaction = self.limited(self.begin()).await?;
        let (keys, last) = self.limited(self.lock_keys(&mut transaction, after)).await?;
        let mut outcome = BatchOutcome { pass: Pass::default(), last };
        if keys.is_empty() || stop.is_set() {
            self.limited(transaction.end(End::Rollback)).await?;
            return Ok(outcome);
        }
        let queues = self.limited(self.read_messages(&mut transaction, keys)).await?;
        let limits = DeliveryLimits {
            end: start + self.options.batch_duration(),
            message_timeout: self.options.deadline,
            stopping: stop.clone(),
            lost_topics: Arc::clone(&self.lost_topics),
        };
        let keys = self.publish(queues, &limits).await;
        let recorded = self.limited(self.record(transaction, &keys, &mut outcome, is_down)).await;
        if let Err(error) = recorded {
            // What is not recorded would be published in every batch again, for ever if it is always the same
            // that ends the transaction. The outcomes are true without its locks, too.
            Telemetry::batch_failed(&error);
            outcome.pass = Pass::default();
            let transaction = self.limited(self.begin()).await?;
            self.limited(self.record(transaction, &keys, &mut outcome, is_down)).await?;
        }
        Ok(outcome)
    }

    async fn begin(&self) -> Result<KeyTransaction, OutboxError> {
        KeyTransaction::begin(self.outbox.pool(), &self.options).await
    }

    /// A relay must be able to stop while the database does not answer.
    async fn limited<T>(
        &self,
        query: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        let limit = self.options.response_timeout;
        let answer = timeout(limit, query).await;
        self.outbox.named(answer.unwrap_or_else(|_| Err(OutboxError::timeout())))
    }

    /// Locks keys that are due and free, and returns them and the key after which the next batch continues.
    async fn lock_keys(
        &self,
        transaction: &mut KeyTransaction,
        after: &str,
    ) -> Result<(Vec<String>, Option<String>), OutboxError> {
        let batch = self.options.batch;
        let rows = query(self.outbox.statements().lock_keys())
            .bind(after)
            .bind(i64::try_from(batch).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction.connection)
            .await?;
        let mut keys = Vec::new();
        for row in &rows {
            if row.try_get(1)? {
                keys.push(row.try_get(0)?);
            }
        }
        let last = match rows.last() {
            Some(last) if rows.len() >= batch => Some(last.try_get(0)?),
            _ => None,
        };
        Ok((keys, last))
    }

    /// Reads the messages of the keys, in their order, up to the first that is not due.
    async fn read_messages(
        &self,
        transaction: &mut KeyTransaction,
        keys: Vec<String>,
    ) -> Result<Vec<KeyQueue>, OutboxError> {
        let each = (self.options.batch / keys.len()).max(1);
        let rows = query(self.outbox.statements().read_messages())
            .bind(keys)
            .bind(i64::try_from(each).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction.connection)
            .await?;
        let mut queues: BTreeMap<String, (KeyQueue, bool)> = BTreeMap::new();
        for row in &rows {
            let message = MessageRow::read(row)?;
            let is_due: bool = row.try_get(10)?;
            let (queue, is_open) = queues
                .entry(message.message.key.clone())
                .or_insert_with(|| (KeyQueue(Vec::new()), true));
            *is_open &= is_due;
            if *is_open {
                queue.0.push(message);
            }
        }
        Ok(queues.into_values().map(|(queue, _)| queue).collect())
    }

    /// Publishes the messages of all keys at once, each key's one after the other.
    async fn publish(&self, queues: Vec<KeyQueue>, limits: &DeliveryLimits) -> Vec<KeyOutcome> {
        let mut tasks = JoinSet::new();
        for queue in queues {
            tasks.spawn(queue.deliver(self.broker.clone(), limits.clone()));
        }
        let mut outcomes = Vec::new();
        while let Some(outcome) = tasks.join_next().await {
            // A task is lost only if its runtime shuts down. Its messages stay in the outbox.
            outcomes.extend(outcome.ok());
        }
        outcomes
    }

    /// Deletes what was delivered, writes down what failed, and commits.
    async fn record(
        &self,
        mut transaction: KeyTransaction,
        keys: &[KeyOutcome],
        outcome: &mut BatchOutcome,
        is_down: bool,
    ) -> Result<(), OutboxError> {
        let mut delivered: Vec<i64> = Vec::new();
        let mut failed = Vec::new();
        for key in keys {
            delivered.extend(&key.delivered);
            failed.extend(&key.failed);
        }
        outcome.pass.delivered = delivered.len() as u64;
        for (_, error) in &failed {
            outcome.pass.count_failure(error.kind());
        }
        // If the broker is down, no message is at fault: the relay pauses as a whole, and once the broker is
        // back no key has to wait for a pause of its own, unless the broker asked for it.
        let is_down = is_down && !outcome.pass.is_answered();
        let mut failures = Failures::default();
        for (row, error) in &failed {
            if !is_down || error.retry_after().is_some() {
                failures.add(&self.options, row, error);
            }
        }
        outcome.pass.parked = failures.parked_count();
        let mut ages: Vec<f64> = Vec::new();
        if !delivered.is_empty() {
            let statement = query(self.outbox.statements().delete_delivered()).bind(delivered);
            let rows = statement.fetch_all(&mut *transaction.connection).await?;
            ages = rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?;
        }
        if !failures.is_empty() {
            failures.write(self.outbox.statements(), &mut transaction).await?;
        }
        transaction.end(End::Commit).await?;
        Telemetry::delivered(&ages);
        if !is_down {
            Telemetry::failed(&failed, &failures.parked, |topic| self.lost_topics.lose(topic));
        }
        Ok(())
    }
}
