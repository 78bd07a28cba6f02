//! Failed attempts, and how they are recorded.

use std::time::Duration;

use sqlx::query;

use super::options::Options;
use super::transaction::KeyTransaction;
use crate::outbox::message_row::MessageRow;
use crate::outbox::statements::Statements;
use crate::outbox::{OutboxError, PublishError, PublishErrorKind};

/// No message waits longer than this for a broker that asks for more, since PostgreSQL's times end.
const MAX_PAUSE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Failed attempts, column by column, as the statement takes them.
#[derive(Default)]
pub(super) struct Failures {
    numbers: Vec<i64>,
    refused: Vec<bool>,
    pub(super) parked: Vec<bool>,
    pauses: Vec<f64>,
    reasons: Vec<String>,
}

impl Failures {
    pub(super) fn add(&mut self, options: &Options, row: &MessageRow, error: &PublishError) {
        let kind = error.kind();
        self.numbers.push(row.number);
        self.refused.push(kind != PublishErrorKind::Unavailable);
        self.parked.push(match kind {
            PublishErrorKind::Unavailable => false,
            PublishErrorKind::Refused | PublishErrorKind::Destination => {
                row.refusals.saturating_add(1) >= options.park_after
            }
            PublishErrorKind::Poison => true,
        });
        let backoff = options.backoff.pause(row.message.attempt);
        // Like a client, on top of what was asked for, so that not all messages come back together.
        let pause = error.retry_after().unwrap_or_default().saturating_add(backoff).min(MAX_PAUSE);
        self.pauses.push(pause.as_secs_f64());
        // PostgreSQL accepts every character in a text but this one.
        self.reasons.push(error.reason().replace('\0', ""));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// How many messages are parked by this.
    pub(super) fn parked_count(&self) -> u64 {
        self.parked.iter().filter(|parked| **parked).count() as u64
    }

    /// Writes them to the outbox.
    pub(super) async fn write(
        &self,
        statements: &Statements,
        transaction: &mut KeyTransaction,
    ) -> Result<(), OutboxError> {
        query(statements.record_failures())
            .bind(&self.numbers)
            .bind(&self.refused)
            .bind(&self.parked)
            .bind(&self.pauses)
            .bind(&self.reasons)
            .execute(&mut *transaction.connection)
            .await?;
        Ok(())
    }
}
