//! The warehouse ships what was ordered. A shipment, the message about it and the record that the order's message took
//! effect are one transaction of its own database.

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_core::consumer::jetstream::JetStreamSource;
use idempotent_core::consumer::{Attempts, Backoff, Consumer, InboxTransaction, Json};
use idempotent_core::outbox;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres};
use tokio::time::sleep;

use crate::Failure;
use crate::broker::{DEAD_LETTERS, ORDERS, WAREHOUSE, connect};
use crate::process::told_to_stop;
use crate::shop::OrderPlaced;

/// Nothing in it would refuse a second shipment of an order.
pub(crate) const TABLES: &str = "CREATE TABLE shipments (order_number bigint)";

/// What the second message says.
#[derive(Deserialize, Serialize)]
pub(crate) struct OrderShipped {
    pub(crate) number: i64,
}

/// Consumes until it is told to stop. Prints what became of each delivery, and its number among those of its message.
pub(crate) async fn consume(database: &str, broker: &str) -> Result<(), Failure> {
    let pool = PgPool::connect(database).await?;
    let engine = Idempotency::new(PostgresStore::connect(pool.clone()).await?);
    let consumer = Consumer::builder("warehouse.ship", &engine)
        .concurrency(8)
        .attempts(Attempts::max(20).backoff(Backoff::constant(Duration::from_millis(200))))
        .on_settled(|settled| {
            let count = settled.message.delivery_count().unwrap_or_default();
            println!("{} {count}", settled.outcome.as_str());
        })
        .within(pool)
        .handler(ship);
    let source =
        JetStreamSource::new(connect(broker).await?, ORDERS, WAREHOUSE).dead_letters(DEAD_LETTERS);
    consumer.run(source, told_to_stop()).await?;
    Ok(())
}

async fn ship(
    Json(placed): Json<OrderPlaced>,
    mut tx: InboxTransaction<Postgres>,
) -> Result<(), Failure> {
    let insert = sqlx::query("INSERT INTO shipments VALUES ($1)").bind(placed.number);
    insert.execute(&mut **tx).await?;
    sleep(Duration::from_millis(10)).await;
    let shipped = serde_json::json!(OrderShipped { number: placed.number }).to_string();
    let key = format!("order-{}", placed.number);
    outbox::publish(&mut tx, "shipments.sent", &key, &shipped).await?;
    Ok(())
}
