//! A hundred orders on Kafka, every fifth of them produced twice, and one that nobody can read. Each is shipped once,
//! though every tenth fails at first.
//!
//! Reads the topic `orders` at `KAFKA_SERVERS`, where that and `orders.dead` must exist, or on a mock cluster of
//! librdkafka, whose first consumer waits for three seconds.
//!
//! ```text
//! cargo run --example kafka_orders
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{Attempts, Backoff, Consumer, DeliveryOutcome, Json};
use idempotent_kafka::KafkaSource;
use idempotent_kafka::rdkafka::ClientConfig;
use idempotent_kafka::rdkafka::message::{Header, OwnedHeaders};
use idempotent_kafka::rdkafka::mocking::MockCluster;
use idempotent_kafka::rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::sync::mpsc;

const ORDERS: u64 = 100;
/// Orders, duplicates, and the one that nobody can read.
const PRODUCED: usize = 100 + 20 + 1;

#[derive(serde::Deserialize)]
struct Order {
    number: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (servers, _cluster) = match std::env::var("KAFKA_SERVERS") {
        Ok(servers) => (servers, None),
        Err(_) => {
            let cluster = MockCluster::new(3)?;
            cluster.create_topic("orders", 4, 3)?;
            cluster.create_topic("orders.dead", 1, 3)?;
            (cluster.bootstrap_servers(), Some(cluster))
        }
    };
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", servers);

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

    let mut member = client.clone();
    member.set("group.id", "billing");
    let source =
        KafkaSource::new(member, ["orders"]).id_header("message-id").dead_letters("orders.dead");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running =
        tokio::spawn(async move { consumer.run(source, async { drop(stopped.await) }).await });
    produce_all(&client.create()?).await?;

    let mut outcomes = HashMap::<&str, usize>::new();
    for _ in 0..PRODUCED {
        let outcome: DeliveryOutcome = settlements.recv().await.ok_or("the consumer has ended")?;
        *outcomes.entry(outcome.as_str()).or_default() += 1;
    }
    drop(stop);
    running.await??;
    let shipped = shipped.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{PRODUCED} messages: {outcomes:?}");
    println!("{} orders are shipped, each once; one message is parked", shipped.len());
    assert!(shipped.len() == 100 && shipped.values().all(|times| *times == 1));
    Ok(())
}

async fn produce_all(producer: &FutureProducer) -> Result<(), Box<dyn Error>> {
    let produce = async |id: &str, payload: &str| {
        let headers = OwnedHeaders::new().insert(Header { key: "message-id", value: Some(id) });
        let record = FutureRecord::to("orders").key(id).payload(payload).headers(headers);
        let sent = producer.send(record, Duration::from_secs(10)).await;
        sent.map(drop).map_err(|(error, _)| error)
    };
    for number in 0..ORDERS {
        let (id, payload) = (format!("order-{number}"), format!(r#"{{"number":{number}}}"#));
        produce(&id, &payload).await?;
        if number % 5 == 0 {
            produce(&id, &payload).await?;
        }
    }
    Ok(produce("order-unreadable", "tea").await?)
}
