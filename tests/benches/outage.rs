//! What a caller meets while Redis is down, and how soon after it is back: `cargo bench --bench outage`.
//!
//! A thousand calls a second are made for ten seconds. Once the circuit is open, each is to be refused, 99 % of them
//! within 2 milliseconds, and the first one after Redis is back is to succeed within a second.

use std::time::{Duration, Instant};

use idempotent_core::backends::RedisStore;
use idempotent_core::{Error, Idempotency, Operation};
use idempotent_servers::{Data, Redis};
use tokio::time::{MissedTickBehavior, interval, sleep};

const CALLS: u32 = 10_000;
const SPAN: Duration = Duration::from_secs(10);
const CALL: Operation = Operation::new("bench.outage");

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

async fn call(engine: Idempotency, key: u32) -> (Result<u32, Error>, Duration) {
    let begin = Instant::now();
    let call = CALL.key(&key).engine(&engine).returning::<Result<u32, Error>>();
    let answer = call.run(|| async { Ok(1) }).await;
    (answer, begin.elapsed())
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let redis = Redis::start().await;
    let engine = Idempotency::new(RedisStore::connect(redis.url()).await?);
    call(engine.clone(), 0).await.0?;
    redis.kill();
    let stopped = Instant::now();
    let mut first = Vec::new();
    while !engine.check().await.degraded.contains(&idempotent_core::store::Degradation::CircuitOpen)
    {
        first.push(call(engine.clone(), 1).await.1);
    }
    println!("open after {} calls and {:?}", first.len(), stopped.elapsed());

    let mut ticks = interval(SPAN / CALLS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut tasks = Vec::new();
    for key in 0..CALLS {
        ticks.tick().await;
        tasks.push(tokio::spawn(call(engine.clone(), key + 2)));
    }
    let mut took = Vec::new();
    for task in tasks {
        let (answer, time) = task.await?;
        answer.expect_err("it is refused");
        took.push(time);
    }
    took.sort_unstable();
    let quantile = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{} refused: p50 {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        took.len(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0)
    );

    redis.restart(Data::Keep).await;
    let back = Instant::now();
    let mut key = CALLS + 2;
    loop {
        key += 1;
        if call(engine.clone(), key).await.0.is_ok() {
            break;
        }
        sleep(Duration::from_millis(1)).await;
    }
    println!("the first one after Redis was back succeeded after {:?}", back.elapsed());
    Ok(())
}
