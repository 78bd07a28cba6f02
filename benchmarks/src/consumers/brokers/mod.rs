//! What a message of a real broker costs in a consumer whose handlers do nothing, beside a bare consumer of the same client.
//!
//! Each turn has a stream of its own, which is filled before. Its time ends when the broker has confirmed the last
//! acknowledgement.

mod jetstream;
mod ours;
mod streams;

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::{MemoryStore, RedisStore};
use idempotent_servers::Redis;

use self::jetstream::JetStream;
use self::streams::Streams;
use crate::{BYTES, CONCURRENCY, Failure, ROUNDS, quartiles};

/// How many messages a turn has.
const MESSAGES: usize = 10_000;

/// A broker, for as many turns as you like.
trait Broker {
    const NAME: &'static str;

    /// Fills the stream of this turn.
    async fn fill(&self, turn: usize) -> Result<(), Failure>;

    /// Handles all of it by hand.
    async fn bare(&self, turn: usize) -> Result<Duration, Failure>;

    /// Handles all of it in a consumer.
    async fn consume(&self, turn: usize, engine: &Idempotency) -> Result<Duration, Failure>;

    /// Removes the stream.
    async fn clear(&self, turn: usize) -> Result<(), Failure>;
}

/// Measures every broker.
pub(crate) async fn measure() -> Result<(), Failure> {
    println!(
        "µs a message of {BYTES} bytes, {CONCURRENCY} at once, {ROUNDS} rounds of {MESSAGES}, and beside the bare consumer"
    );
    compare(&JetStream::start().await?).await?;
    compare(&Streams::start().await?).await
}

async fn compare<B: Broker>(broker: &B) -> Result<(), Failure> {
    let server = Redis::start().await;
    let stores = [
        ("memory", Idempotency::new(MemoryStore::new())),
        ("Redis", Idempotency::new(RedisStore::connect(server.url()).await?)),
    ];
    let sides = stores.len() + 1;
    let (mut turn, mut times) = (0, vec![Vec::new(); sides]);
    for round in 0..=ROUNDS {
        for place in 0..sides {
            let side = (place + round) % sides;
            turn += 1;
            broker.fill(turn).await?;
            let took = match side.checked_sub(1) {
                None => broker.bare(turn).await?,
                Some(store) => broker.consume(turn, &stores[store].1).await?,
            };
            broker.clear(turn).await?;
            // The first round warms up.
            if round > 0 {
                times[side].push(took.as_secs_f64() * 1e6 / MESSAGES as f64);
            }
        }
    }
    println!("{}", B::NAME);
    let names = ["bare"].into_iter().chain(stores.iter().map(|(name, _)| *name));
    for (name, own) in names.zip(&times) {
        let ratios = own.iter().zip(&times[0]).map(|(own, bare)| own / bare);
        let [low, middle, high] = quartiles(ratios.collect());
        let [_, time, _] = quartiles(own.clone());
        println!("  {name:10} {time:>7.1}   {middle:.2} x ({low:.2} to {high:.2})");
    }
    Ok(())
}
