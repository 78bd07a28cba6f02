//! A warehouse that ships orders from a stream in Redis. Each order is added twice, as by a producer that was not told
//! whether the first one had arrived, and one cannot be read.
//!
//! Run it with `cargo run -p examples-consumers --bin redis_streams`. It starts a Redis of its own, or uses the one that
//! `REDIS_URL` names; there it leaves the streams `orders` and `orders:dead` behind.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::redis_streams::{RedisStreamSource, StartAt};
use idempotent_core::consumer::{Consumer, DeliveryOutcome, Json};
use idempotent_servers::Redis;
use serde::Deserialize;
use tokio::sync::Notify;

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

/// What a producer does: `XADD orders * order … payload …`.
async fn publish(url: &str) -> redis::RedisResult<()> {
    let mut producer = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let mut add = async |id: String, payload: String| {
        let mut add = redis::cmd("XADD");
        add.arg("orders").arg("*").arg("order").arg(id).arg("payload").arg(payload);
        add.query_async::<()>(&mut producer).await
    };
    for order in (0..ORDERS).chain(0..ORDERS) {
        add(format!("order-{order}"), format!(r#"{{"order":{order}}}"#)).await?;
    }
    add("order-paper".to_owned(), "an order on paper".to_owned()).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let (_server, url) = match std::env::var("REDIS_URL") {
        Ok(url) => (None, url),
        Err(_) => {
            let server = Redis::start().await;
            let url = server.url();
            (Some(server), url)
        }
    };
    publish(&url).await?;

    // Records and messages may be on one server, or on two.
    let redis = RedisStore::connect(url.as_str()).await?;
    let engine = Idempotency::new(redis.clone());
    let source = RedisStreamSource::new(&redis, "orders", "warehouse")
        .create_group(StartAt::Oldest)
        .id_field("order")
        .dead_letters("orders:dead");

    let settled = Arc::new((AtomicU32::new(0), AtomicU32::new(0), Notify::new()));
    let told = Arc::clone(&settled);
    let consumer = Consumer::builder("warehouse.ship", &engine)
        .on_settled(move |settled| {
            let (all, executed, changed) = &*told;
            if settled.outcome == DeliveryOutcome::Executed {
                executed.fetch_add(1, Ordering::Relaxed);
            }
            if settled.verdict.is_final() {
                all.fetch_add(1, Ordering::Relaxed);
                changed.notify_one();
            }
        })
        .handler(ship);
    // A service waits for SIGTERM here.
    let all_are_settled = async {
        while settled.0.load(Ordering::Relaxed) < MESSAGES {
            settled.2.notified().await;
        }
    };
    consumer.run(source, all_are_settled).await?;

    let shipped = settled.1.load(Ordering::Relaxed);
    println!("{MESSAGES} messages, {shipped} orders shipped, one message parked in `orders:dead`");
    assert_eq!(shipped, ORDERS, "each order is shipped once");
    Ok(())
}
