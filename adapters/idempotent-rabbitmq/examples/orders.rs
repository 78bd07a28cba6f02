//! A hundred orders on RabbitMQ, every fifth of them published twice, and one that nobody can read. Each is shipped once,
//! though every tenth fails at first.
//!
//! Reads and declares the queue `orders` at `RABBITMQ_URL`, or on a broker that it starts, if `rabbitmq-server` is
//! here.
//!
//! ```text
//! cargo run --example orders
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{Attempts, Backoff, Consumer, DeliveryOutcome, Json};
use idempotent_rabbitmq::lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use idempotent_rabbitmq::lapin::types::FieldTable;
use idempotent_rabbitmq::lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
};
use idempotent_rabbitmq::{Queue, RabbitMqSource};
use idempotent_servers::RabbitMq;
use tokio::sync::mpsc;

const ORDERS: u64 = 100;
/// Orders, duplicates, and the one that nobody can read.
const PUBLISHED: usize = 100 + 20 + 1;

#[derive(serde::Deserialize)]
struct Order {
    number: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (url, _server) = match std::env::var("RABBITMQ_URL") {
        Ok(url) => (url, None),
        Err(_) => {
            let server = RabbitMq::start().await;
            (server.url(), Some(server))
        }
    };
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("orders.dead".into(), durable, FieldTable::default()).await?;

    let shipped = Arc::new(Mutex::new(HashMap::<u64, u32>::new()));
    let (settled, mut settlements) = mpsc::unbounded_channel();
    let shipping = Arc::clone(&shipped);
    let tried = Mutex::new(HashMap::<u64, u32>::new());
    let consumer = Consumer::builder("shop.ship", &Idempotency::new(MemoryStore::new()))
        .attempts(Attempts::max(5).backoff(Backoff::constant(Duration::from_millis(500))))
        .on_settled(move |it| {
            if it.verdict.is_final() {
                let _ = settled.send(it.outcome);
            }
        })
        .handler(move |Json(order): Json<Order>| {
            let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
            let attempts = tried.entry(order.number).or_default();
            *attempts += 1;
            let fails = order.number % 10 == 0 && *attempts == 1;
            let shipped = Arc::clone(&shipping);
            async move {
                if fails {
                    return Err("the carrier is down");
                }
                let mut shipped = shipped.lock().unwrap_or_else(PoisonError::into_inner);
                *shipped.entry(order.number).or_default() += 1;
                Ok(())
            }
        });

    // The queue is declared by the source.
    let source =
        RabbitMqSource::new(url, "orders").declare(Queue::quorum()).dead_letters("orders.dead");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running =
        tokio::spawn(async move { consumer.run(source, async { drop(stopped.await) }).await });
    publish_all(&channel).await?;

    let mut outcomes = HashMap::<&str, usize>::new();
    for _ in 0..PUBLISHED {
        let outcome: DeliveryOutcome = settlements.recv().await.ok_or("the consumer has ended")?;
        *outcomes.entry(outcome.as_str()).or_default() += 1;
    }
    drop(stop);
    running.await??;
    let shipped = shipped.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{PUBLISHED} messages: {outcomes:?}");
    println!("{} orders are shipped, each once; one message is parked", shipped.len());
    assert!(shipped.len() == 100 && shipped.values().all(|times| *times == 1));
    Ok(())
}

async fn publish_all(channel: &Channel) -> Result<(), Box<dyn Error>> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let publish = async |id: &str, payload: &str| loop {
        let properties =
            BasicProperties::default().with_message_id(id.into()).with_delivery_mode(2);
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let payload = payload.as_bytes();
        let published =
            channel.basic_publish("".into(), "orders".into(), options, payload, properties);
        // It is sent back while there is no such queue, and refused while a quorum queue has no leader yet.
        if matches!(published.await?.await?, Confirmation::Ack(None)) {
            return Ok::<_, Box<dyn Error>>(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for number in 0..ORDERS {
        let (id, payload) = (format!("order-{number}"), format!(r#"{{"number":{number}}}"#));
        publish(&id, &payload).await?;
        if number % 5 == 0 {
            publish(&id, &payload).await?;
        }
    }
    publish("order-unreadable", "tea").await
}
