//! [`RedisDelivery`]: translates verdicts into the server's commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::acknowledge::acknowledge;
use super::dead_letter::{Parked, Parking, settle_copied};
use super::pending::is_pending;
use super::progress::progress;
use super::received::{Entry, published_at};
use super::redeliver::{Held, redeliver_after};
use super::shared::Shared;
use super::trimmed;
use crate::consumer::{Message, ParkReason, Settle, SettleError, Verdict};

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
    /// That its message was trimmed away while it was in hand: the server does not deliver it again, and says so once.
    was_trimmed: AtomicBool,
    /// That this was reported.
    is_reported: AtomicBool,
}

impl RedisDelivery {
    pub(super) fn new(shared: Arc<Shared>, entry: Entry, read: Message) -> Self {
        let no = || AtomicBool::new(false);
        let (was_trimmed, is_reported) = (no(), no());
        Self { shared, entry, read, is_settled: no(), is_copied: no(), was_trimmed, is_reported }
    }

    /// Returns whether the message was this worker's.
    async fn redeliver(&self, after: Duration) -> Result<bool, SettleError> {
        let held = redeliver_after(&self.shared.group, &self.entry, after).await?;
        if self.is_trimmed(held) {
            self.park_trimmed().await?;
        }
        Ok(held != Held::NotOurs)
    }

    /// What nobody has pending is not delivered again.
    async fn report_if_settled(&self) {
        let Shared { group, consumer, .. } = &*self.shared;
        if let Ok(false) = is_pending(group, &self.entry.id).await {
            tracing::warn!(
                consumer = consumer.as_str(),
                stream = group.stream.as_str(),
                id = self.entry.id.as_str(),
                "a message that was to be delivered again was acknowledged meanwhile, and is not: by another worker that had \
                 taken it over and completed it, or by an `XACK` of your own, and then it is lost"
            );
        }
    }

    /// Whether the message was trimmed away, by what the server says now or said before.
    fn is_trimmed(&self, held: Held) -> bool {
        match held {
            Held::Yes => false,
            Held::Trimmed => {
                self.was_trimmed.store(true, Ordering::Relaxed);
                true
            }
            Held::NotOurs => self.was_trimmed.load(Ordering::Relaxed),
        }
    }

    /// It is not delivered again, so that it would be lost: its fields are in hand.
    async fn park_trimmed(&self) -> Result<(), SettleError> {
        let Shared { group, consumer, .. } = &*self.shared;
        if !self.is_reported.swap(true, Ordering::Relaxed) {
            trimmed::report_parked(consumer, &group.stream, &self.entry.id);
        }
        let error = "the stream was trimmed while the message was in hand, before it was handled";
        self.park(&Parking { reason: ParkReason::Trimmed, error, attempts: 0 }).await
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

    /// What went wrong, for people: the core does not know why a message has no id.
    fn error<'a>(&self, reason: ParkReason, error: &'a str) -> &'a str {
        if reason == ParkReason::InvalidKey && self.read.id().is_empty() {
            return why_without_id(&self.entry.id);
        }
        error
    }
}

/// Why the entry with this number has no message id.
pub(super) fn why_without_id(number: &str) -> &'static str {
    match published_at(number) {
        Some(_) => {
            "it has no id: the field that `id_field` names is missing, empty, or no UTF-8; let the producer send it"
        }
        None => {
            "it has no id: its producer numbers entries, and another stream may have that number as well; let the \
             producer send an id, and name its field with `id_field`"
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
                let error = self.error(*reason, error);
                self.park(&Parking { reason: *reason, error, attempts: *attempts }).await?;
            }
            Verdict::Retry { after } => {
                let was_ours = self.redeliver(*after).await?;
                if !was_ours && !self.was_trimmed.load(Ordering::Relaxed) {
                    self.report_if_settled().await;
                }
            }
            // Somebody else may have handled and acknowledged it meanwhile.
            Verdict::Busy { after } => drop(self.redeliver(*after).await?),
            Verdict::GivenBack => drop(self.redeliver(Duration::ZERO).await?),
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
        let held = progress(&self.shared.group, &self.entry).await?;
        self.is_trimmed(held);
        Ok(())
    }
}
