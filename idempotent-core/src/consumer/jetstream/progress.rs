//! Keeping a delivery alive.

use async_nats::jetstream::AckKind;
use async_nats::{Client, Subject};

use crate::consumer::SettleError;

/// Says that the message is still in hand. This is not confirmed: the next one comes in time if it is lost.
pub(super) async fn progress(client: &Client, reply: &Subject) -> Result<(), SettleError> {
    client.publish(reply.clone(), AckKind::Progress.into()).await.map_err(SettleError::new)
}
