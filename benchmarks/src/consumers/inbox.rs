//! A consumer whose handler runs within a transaction.

use idempotent_core::Idempotency;
use idempotent_core::consumer::{Consumer, InboxTransaction};
use idempotent_core::testing::sources::TestBroker;
use sqlx::{PgPool, Postgres};

use crate::{BYTES, CONCURRENCY, Failure, book};

/// Handles each of them once, up to so many in a transaction.
pub(crate) async fn handle(
    pool: &PgPool,
    engine: &Idempotency,
    ids: Vec<String>,
    group: usize,
) -> Result<(), Failure> {
    let (broker, messages) = (TestBroker::new(), ids.len());
    for id in ids {
        broker.publish(id, vec![b'x'; BYTES]);
    }
    let consumer = Consumer::builder("benchmark.book", engine)
        .concurrency(CONCURRENCY)
        .within(pool.clone())
        .group(group)
        .handler(|payload: Vec<u8>, mut tx: InboxTransaction<Postgres>| async move {
            book(&mut tx, payload.len()).await
        });
    consumer.run(broker.source(), broker.until_settled(messages)).await?;
    Ok(())
}
