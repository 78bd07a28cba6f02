//! Asking the server to deliver a message again.

use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::{Client, Subject};

use super::acknowledge::acknowledge;
use super::limits::DelayedNaks;
use crate::consumer::SettleError;

/// After this long, or somewhat sooner if too many messages wait already. The delay is always sent: without one, a
/// server goes by no backoff of its own, and delivers at once.
pub(super) async fn redeliver_after(
    client: &Client,
    reply: &Subject,
    delayed: &DelayedNaks,
    after: Duration,
) -> Result<(), SettleError> {
    acknowledge(client, reply, AckKind::Nak(Some(delayed.delay(after)))).await
}

/// At once, to whoever asks next.
pub(super) async fn redeliver(client: &Client, reply: &Subject) -> Result<(), SettleError> {
    acknowledge(client, reply, AckKind::Nak(None)).await
}
