//! Telling the server what becomes of a delivery, and waiting until it confirms.

use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::{Client, Request, Subject};

use crate::consumer::SettleError;

/// How long the server may take to confirm.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(5);

/// Sends it, and waits until the server confirms. It goes through the client's one inbox for answers: a subscription
/// for each would cost two more commands.
pub(super) async fn acknowledge(
    client: &Client,
    reply: &Subject,
    kind: AckKind,
) -> Result<(), SettleError> {
    let request = Request::new().payload(kind.into()).timeout(Some(CONFIRMED_WITHIN));
    client.send_request(reply.clone(), request).await.map(drop).map_err(SettleError::new)
}
