//! A relay takes messages from the outbox of a database to the broker: from the shop's, and from the warehouse's. It may
//! run within the service or beside it, as many of them as you like.

use std::time::Duration;

use idempotent_core::outbox::nats::JetStream;
use idempotent_core::outbox::{Outbox, Relay};
use sqlx::PgPool;

use crate::Failure;
use crate::broker::connect;
use crate::process::told_to_stop;

pub(crate) async fn relay(database: &str, broker: &str) -> Result<(), Failure> {
    let outbox = Outbox::new(PgPool::connect(database).await?);
    let broker = JetStream::new(connect(broker).await?);
    Relay::new(outbox, broker).deadline(Duration::from_secs(1)).run(told_to_stop()).await;
    Ok(())
}
