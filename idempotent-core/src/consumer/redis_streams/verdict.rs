//! [`RedisDelivery`]: translates verdicts into the server's commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::acknowledge::acknowledge;
use super::dead_letter::{Parked, Parking, settle_copied};
use super::progress::progress;
use super::received::Entry;
use super::redeliver::{Held, redeliver_after};
use super::shared::Shared;
use super::trimmed;
use crate::consumer::{Message, Settle, SettleError, Verdict};

/// One delivery.
pub(super) struct RedisDelivery {
    shared: Arc<Shared>,
    entry: Entry,
    read: Message,
    /// Set once a verdict is sent that is not final: after that, the message is kept alive no more, since that would undo
    /// a delay. A final one is repeated until the server confirms, and kept alive meanwhile.
    is_settled: AtomicBool,
    /// That the dead letter is there, so that no second one is added when the settlement is repeated.
    is_copied: AtomicBool,
    /// That its message was trimmed away, and that this was reported.
    is_trimmed: AtomicBool,
}

impl RedisDelivery {
    pub(super) fn new(shared: Arc<Shared>, entry: Entry, read: Message) -> Self {
        let no = || AtomicBool::new(false);
        Self { shared, entry, read, is_settled: no(), is_copied: no(), is_trimmed: no() }
    }

    async fn redeliver(&self, after: Duration) -> Result<(), SettleError> {
        let held = redeliver_after(&self.shared.group, &self.entry.id, after).await?;
        if held == Held::Trimmed {
            self.report_trimmed();
        }
        Ok(())
    }

    async fn park(&self, why: &Parking<'_>) -> Result<(), SettleError> {
        let Shared { group, dead_letters, .. } = &*self.shared;
        if !self.is_copied.load(Ordering::Relaxed) {
            match dead_letters.park(group, &self.entry, &self.read, why).await? {
                Parked::Settled => return Ok(()),
                Parked::Copied => self.is_copied.store(true, Ordering::Relaxed),
            }
        }
        settle_copied(group, &self.entry).await
    }

    /// It is not delivered again, so this is the last that is heard of it, unless its handler succeeds.
    fn report_trimmed(&self) {
        if !self.is_trimmed.swap(true, Ordering::Relaxed) {
            trimmed::report(&self.shared.consumer, &self.shared.group.stream, &self.entry.id);
        }
    }
}

#[async_trait]
impl Settle for RedisDelivery {
    async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
        if !verdict.is_final() {
            self.is_settled.store(true, Ordering::Relaxed);
        }
        match verdict {
            Verdict::Completed => acknowledge(&self.shared.group, &self.entry.id).await?,
            Verdict::Parked { reason, error, attempts } => {
                self.park(&Parking { reason: *reason, error, attempts: *attempts }).await?;
            }
            Verdict::Busy { after } | Verdict::Retry { after } => self.redeliver(*after).await?,
            Verdict::GivenBack => self.redeliver(Duration::ZERO).await?,
            Verdict::Left => return Ok(()),
        }
        if verdict.is_final() && self.shared.is_stopped.load(Ordering::Relaxed) {
            // The last one of a source that has stopped. If it cannot be told, others clean up after a day.
            let _ = self.shared.group.leave(true).await;
        }
        Ok(())
    }

    async fn keep_alive(&self) -> Result<(), SettleError> {
        if self.is_settled.load(Ordering::Relaxed) {
            return Ok(());
        }
        progress(&self.shared.group, &self.entry.id).await.map(drop)
    }
}
