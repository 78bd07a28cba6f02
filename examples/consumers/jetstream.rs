//! A warehouse that ships orders from NATS `JetStream`. Each order is published twice, as by a producer that was not told
//! whether the first one had arrived, and one cannot be read.
//!
//! Run it with `cargo run -p examples-consumers --bin jetstream`. It starts a NATS server of its own, or uses the one that
//! `NATS_URL` names; there it leaves the streams `ORDERS` and `DEAD` behind.

use std::error::Error as StdError;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, Context, stream};
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::jetstream::{JetStreamSource, MESSAGE_ID};
use idempotent_core::consumer::{Consumer, DeliveryOutcome, Json};
use idempotent_servers::Nats;
use serde::Deserialize;
use tokio::sync::mpsc;

type Failure = Box<dyn StdError + Send + Sync>;

const ORDERS: u32 = 5;
/// Each of them twice, and one on paper.
const MESSAGES: u32 = 2 * ORDERS + 1;

#[derive(Deserialize)]
struct OrderPlaced {
    order: u32,
}

async fn ship(Json(placed): Json<OrderPlaced>) -> Result<(), std::io::Error> {
    println!("order {} is shipped", placed.order);
    Ok(())
}

/// What whoever runs the broker does once.
async fn create_streams(context: &Context) -> Result<(), Failure> {
    for (name, subjects) in [("ORDERS", "orders.>"), ("DEAD", "dead.>")] {
        let _ = context.delete_stream(name).await;
        let subjects = vec![subjects.to_owned()];
        let name = name.to_owned();
        context.create_stream(stream::Config { name, subjects, ..Default::default() }).await?;
    }
    let warehouse = pull::Config {
        durable_name: Some("warehouse".to_owned()),
        ack_wait: Duration::from_secs(30),
        max_deliver: -1,
        ..pull::Config::default()
    };
    context.get_stream("ORDERS").await?.create_consumer(warehouse).await?;
    Ok(())
}

/// What a producer does, with the header `Nats-Msg-Id`. The stream drops the second one then; under the header of this
/// crate it stands for one that is published again so late that the stream has forgotten the first.
async fn publish(context: &Context) -> Result<(), Failure> {
    let send = async |header: &str, id: String, payload: String| {
        let mut headers = HeaderMap::new();
        headers.insert(header, id);
        let sent = context.publish_with_headers("orders.placed", headers, payload.into());
        Ok::<_, Failure>(sent.await?.await?)
    };
    for header in ["Nats-Msg-Id", MESSAGE_ID] {
        for order in 0..ORDERS {
            send(header, format!("order-{order}"), format!(r#"{{"order":{order}}}"#)).await?;
        }
    }
    send("Nats-Msg-Id", "order-paper".to_owned(), "an order on paper".to_owned()).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (_server, url) = match std::env::var("NATS_URL") {
        Ok(url) => (None, url),
        Err(_) => {
            let server = Nats::start().await;
            let url = server.url();
            (Some(server), url)
        }
    };
    let context = jetstream::new(async_nats::connect(url).await?);
    create_streams(&context).await?;
    publish(&context).await?;

    // In production, a store that all workers share.
    let engine = Idempotency::new(MemoryStore::new());
    let source = JetStreamSource::new(context, "ORDERS", "warehouse").dead_letters("dead.orders");
    let (settled, mut settlements) = mpsc::unbounded_channel();
    let consumer = Consumer::builder("warehouse.ship", &engine)
        .on_settled(move |it| {
            if it.verdict.is_final() {
                let _ = settled.send(it.outcome);
            }
        })
        .handler(ship);
    let mut shipped = 0;
    // A service waits for SIGTERM here.
    let all_are_settled = async {
        for _ in 0..MESSAGES {
            if settlements.recv().await == Some(DeliveryOutcome::Executed) {
                shipped += 1;
            }
        }
    };
    consumer.run(source, all_are_settled).await?;

    println!("{MESSAGES} messages, {shipped} orders shipped, one message parked on `dead.orders`");
    assert_eq!(shipped, ORDERS, "each order is shipped once");
    Ok(())
}
