//! [`JetStreamDelivery`]: translates verdicts into the server's verbs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::jetstream::{AckKind, Context};
use async_nats::{Client, Subject};
use async_trait::async_trait;

use super::acknowledge::acknowledge;
use super::dead_letter::{DeadLetters, Parking};
use super::limits::DelayedNaks;
use super::progress::progress;
use super::redeliver::{redeliver, redeliver_after};
use crate::consumer::{Message, Settle, SettleError, Verdict};

/// What all deliveries of a source share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) context: Context,
    pub(super) client: Client,
    pub(super) dead_letters: DeadLetters,
    pub(super) delayed: DelayedNaks,
}

/// One delivery.
pub(super) struct JetStreamDelivery {
    pub(super) shared: Arc<Shared>,
    pub(super) message: async_nats::Message,
    pub(super) read: Message,
    /// Where the server is told.
    pub(super) reply: Subject,
    /// Set once a verdict is sent that is not final: after that, the message is kept alive no more, since that would
    /// undo a delay. A final one is repeated until the server confirms, and kept alive meanwhile.
    pub(super) is_settled: AtomicBool,
}

#[async_trait]
impl Settle for JetStreamDelivery {
    async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
        let Self { shared, reply, .. } = self;
        let client = &shared.client;
        if let Verdict::Parked { reason, error, attempts } = verdict {
            let why = Parking { reason: *reason, error, attempts: *attempts };
            let letters = &shared.dead_letters;
            letters.park(&shared.context, &self.message, &self.read, &why).await?;
        }
        if !verdict.is_final() {
            self.is_settled.store(true, Ordering::Relaxed);
        }
        match verdict {
            Verdict::Completed => acknowledge(client, reply, AckKind::Ack).await,
            Verdict::Parked { .. } => acknowledge(client, reply, AckKind::Term).await,
            Verdict::Busy { after } | Verdict::Retry { after } => {
                redeliver_after(client, reply, &shared.delayed, *after).await
            }
            Verdict::GivenBack => redeliver(client, reply).await,
            Verdict::Left => Ok(()),
        }
    }

    async fn keep_alive(&self) -> Result<(), SettleError> {
        if self.is_settled.load(Ordering::Relaxed) {
            return Ok(());
        }
        progress(&self.shared.client, &self.reply).await
    }
}
