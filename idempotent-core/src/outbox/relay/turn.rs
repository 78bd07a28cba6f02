//! One turn of a relay: takes some keys, publishes what they hold, writes down what became of it.
//!
//! A turn is a transaction whose locks are the keys. It writes only when everything is published, so
//! that it holds back no vacuum meanwhile; when it ends, however it does, its keys are free.

use std::collections::BTreeMap;
use std::future::Future;

use sqlx::{Row, query};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::held::{End, Held};
use super::lane::{Ended, Lane, Limits};
use super::{Pass, Relay, Stopping};
use crate::outbox::row::Stored;
use crate::outbox::telemetry::Telemetry;
use crate::outbox::{OutboxError, PublishErrorKind};

/// What a turn did.
pub(super) struct Turn {
    pub(super) pass: Pass,
    /// The key to go on after; `None` when there is none after those that were looked at.
    pub(super) last: Option<String>,
}

impl Turn {
    /// Whether the broker said anything of a message.
    pub(super) fn is_answered(&self) -> bool {
        self.pass.delivered > 0 || self.pass.refused > 0
    }
}

impl Relay {
    /// `down` is whether the broker answered to nothing of late.
    pub(super) async fn turn(
        &self,
        after: &str,
        down: bool,
        stop: &Stopping,
    ) -> Result<Turn, OutboxError> {
        let began = Instant::now();
        let silence = self.options.silence();
        let mut held = self.within(Held::begin(self.outbox.pool(), silence)).await?;
        let (keys, last) = self.within(self.sweep(&mut held, after)).await?;
        let mut turn = Turn { pass: Pass::default(), last };
        if keys.is_empty() || stop.is_set() {
            self.within(held.end(End::Rollback)).await?;
            return Ok(turn);
        }
        let lanes = self.within(self.take(&mut held, keys)).await?;
        let limits = Limits {
            ends: began + self.options.turn(),
            deadline: self.options.deadline,
            stopping: stop.clone(),
        };
        let ended = self.deliver(lanes, &limits).await;
        self.within(self.settle(held, ended, &mut turn, down)).await?;
        Ok(turn)
    }

    /// A statement that nobody answers must not keep a relay from its end.
    async fn within<T>(
        &self,
        asking: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        timeout(self.options.response, asking).await.unwrap_or_else(|_| Err(OutboxError::timeout()))
    }

    /// The keys that this turn has, and the one to go on after.
    async fn sweep(
        &self,
        held: &mut Held,
        after: &str,
    ) -> Result<(Vec<String>, Option<String>), OutboxError> {
        let batch = self.options.batch;
        let rows = query(self.outbox.statements().sweep())
            .bind(after)
            .bind(i64::try_from(batch).unwrap_or(i64::MAX))
            .fetch_all(&mut *held.connection)
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

    /// What the keys hold, in their order, as far as it is due.
    async fn take(&self, held: &mut Held, keys: Vec<String>) -> Result<Vec<Lane>, OutboxError> {
        let each = (self.options.batch / keys.len()).max(1);
        let rows = query(self.outbox.statements().take())
            .bind(keys)
            .bind(i64::try_from(each).unwrap_or(i64::MAX))
            .fetch_all(&mut *held.connection)
            .await?;
        let mut lanes: BTreeMap<String, (Lane, bool)> = BTreeMap::new();
        for row in &rows {
            let stored = Stored::read(row)?;
            let due: bool = row.try_get(10)?;
            let (lane, goes_on) =
                lanes.entry(stored.message.key.clone()).or_insert_with(|| (Lane(Vec::new()), true));
            *goes_on &= due;
            if *goes_on {
                lane.0.push(stored);
            }
        }
        Ok(lanes.into_values().map(|(lane, _)| lane).collect())
    }

    async fn deliver(&self, lanes: Vec<Lane>, limits: &Limits) -> Vec<Ended> {
        let mut tasks = JoinSet::new();
        for lane in lanes {
            tasks.spawn(lane.deliver(self.broker.clone(), limits.clone()));
        }
        let mut ended = Vec::new();
        while let Some(lane) = tasks.join_next().await {
            // A lane that did not end is one whose runtime is going down: its messages stay.
            ended.extend(lane.ok());
        }
        ended
    }

    async fn settle(
        &self,
        mut held: Held,
        ended: Vec<Ended>,
        turn: &mut Turn,
        down: bool,
    ) -> Result<(), OutboxError> {
        let mut delivered = Vec::new();
        let mut failed = Vec::new();
        for lane in ended {
            delivered.extend(lane.delivered);
            failed.extend(lane.failed);
        }
        turn.pass.delivered = delivered.len() as u64;
        let mut failures = Failures::default();
        for (stored, error) in &failed {
            turn.pass.note(error.kind());
            failures.add(self, stored, error);
        }
        turn.pass.parked = failures.parked.iter().filter(|parked| **parked).count() as u64;
        let mut ages: Vec<f64> = Vec::new();
        if !delivered.is_empty() {
            let statement = query(self.outbox.statements().forget()).bind(delivered);
            let rows = statement.fetch_all(&mut *held.connection).await?;
            ages = rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?;
        }
        // A broker that is down as a whole says nothing of any message: the relay rests, and when the
        // broker is back no key has to wait for a pause of its own.
        let down = down && !turn.is_answered();
        if !failures.numbers.is_empty() && !down {
            failures.write(self, &mut held).await?;
        }
        held.end(End::Commit).await?;
        Telemetry::delivered(&ages);
        if !down {
            Telemetry::failed(&failed, &failures.parked);
        }
        Ok(())
    }
}

impl Pass {
    fn note(&mut self, failure: PublishErrorKind) {
        match failure {
            PublishErrorKind::Unavailable => self.unavailable += 1,
            PublishErrorKind::Refused | PublishErrorKind::Poison => self.refused += 1,
        }
    }
}

/// Failed attempts, column by column, as the statement takes them.
#[derive(Default)]
struct Failures {
    numbers: Vec<i64>,
    refused: Vec<bool>,
    parked: Vec<bool>,
    pauses: Vec<f64>,
    reasons: Vec<String>,
}

impl Failures {
    fn add(&mut self, relay: &Relay, stored: &Stored, error: &crate::outbox::PublishError) {
        let kind = error.kind();
        self.numbers.push(stored.number);
        self.refused.push(kind != PublishErrorKind::Unavailable);
        self.parked.push(match kind {
            PublishErrorKind::Unavailable => false,
            PublishErrorKind::Refused => stored.refusals + 1 >= relay.options.park_after,
            PublishErrorKind::Poison => true,
        });
        self.pauses.push(relay.options.backoff.pause(stored.message.attempt).as_secs_f64());
        // PostgreSQL takes every character in a text but one.
        self.reasons.push(error.reason().replace('\0', ""));
    }

    async fn write(&self, relay: &Relay, held: &mut Held) -> Result<(), OutboxError> {
        query(relay.outbox.statements().fail())
            .bind(&self.numbers)
            .bind(&self.refused)
            .bind(&self.parked)
            .bind(&self.pauses)
            .bind(&self.reasons)
            .execute(&mut *held.connection)
            .await?;
        Ok(())
    }
}
