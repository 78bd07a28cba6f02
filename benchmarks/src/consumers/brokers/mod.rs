//! What a message of a real broker costs in a consumer whose handlers do nothing, beside a bare consumer of the same client, and
//! beside one that keeps records in Redis by hand.
//!
//! Each turn has a stream of its own, which is filled before. Its time ends when the broker has confirmed the last
//! acknowledgement.

mod jetstream;
mod ours;
mod redis_by_hand;
mod streams;

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::{MemoryStore, RedisStore};
use idempotent_servers::Redis;

use self::jetstream::JetStream;
use self::redis_by_hand::RedisByHand;
use self::streams::Streams;
use crate::{BYTES, CONCURRENCY, Failure, ROUNDS, quartiles};

/// How many messages a turn has.
const MESSAGES: usize = 10_000;

/// A broker, for as many turns as you like.
trait Broker {
    const NAME: &'static str;

    /// Fills the stream of this turn.
    async fn fill(&self, turn: usize) -> Result<(), Failure>;

    /// Handles all of it with the client alone; with records, if there are any, by hand.
    async fn bare(&self, turn: usize, records: Option<&RedisByHand>) -> Result<Duration, Failure>;

    /// Handles all of it in a consumer.
    async fn consume(&self, turn: usize, engine: &Idempotency) -> Result<Duration, Failure>;

    /// Removes the stream.
    async fn clear(&self, turn: usize) -> Result<(), Failure>;
}

/// Who handles the messages.
#[derive(Clone, Copy)]
enum Side {
    Bare,
    ByHand,
    InMemory,
    InRedis,
}

/// Each with the side that it does the same work as.
const SIDES: [(&str, Side, Option<usize>); 4] = [
    ("bare", Side::Bare, None),
    ("by hand in Redis", Side::ByHand, None),
    ("ours in memory", Side::InMemory, None),
    ("ours in Redis", Side::InRedis, Some(1)),
];

/// Measures every broker.
pub(crate) async fn measure() -> Result<(), Failure> {
    println!(
        "µs a message of {BYTES} bytes, {CONCURRENCY} at once, {ROUNDS} rounds of {MESSAGES}; of which this process has had the \
         processors; and beside the bare consumer"
    );
    compare(&JetStream::start().await?).await?;
    compare(&Streams::start().await?).await
}

async fn compare<B: Broker>(broker: &B) -> Result<(), Failure> {
    let server = Redis::start().await;
    let by_hand = RedisByHand::connect(&server.url()).await?;
    let in_memory = Idempotency::new(MemoryStore::new());
    let in_redis = Idempotency::new(RedisStore::connect(server.url()).await?);
    let (mut turn, mut times) = (0, vec![Vec::new(); SIDES.len()]);
    let mut processor = [0.0; SIDES.len()];
    for round in 0..=ROUNDS {
        for place in 0..SIDES.len() {
            let side = (place + round) % SIDES.len();
            turn += 1;
            broker.fill(turn).await?;
            let before = processor_time();
            let took = match SIDES[side].1 {
                Side::Bare => broker.bare(turn, None).await?,
                Side::ByHand => broker.bare(turn, Some(&by_hand)).await?,
                Side::InMemory => broker.consume(turn, &in_memory).await?,
                Side::InRedis => broker.consume(turn, &in_redis).await?,
            };
            let used = processor_time() - before;
            broker.clear(turn).await?;
            // The first round warms up.
            if round > 0 {
                processor[side] += used * 1e6 / (ROUNDS * MESSAGES) as f64;
                times[side].push(took.as_secs_f64() * 1e6 / MESSAGES as f64);
            }
        }
    }
    println!("{}", B::NAME);
    for (((name, _, same_work), own), processor) in SIDES.iter().zip(&times).zip(processor) {
        let beside = |other: usize| {
            let [low, middle, high] =
                quartiles(own.iter().zip(&times[other]).map(|(own, other)| own / other).collect());
            format!("{middle:.2} x ({low:.2} to {high:.2})")
        };
        let [_, time, _] = quartiles(own.clone());
        let same_work = same_work.map_or_else(String::new, |other| {
            format!("   {} of {}", beside(other), SIDES[other].0)
        });
        println!("  {name:17} {time:>7.1} {processor:>7.1}   {}{same_work}", beside(0));
    }
    Ok(())
}

/// What this process has had of the processors, in seconds.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
