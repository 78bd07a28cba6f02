//! What a call costs in memory and on Redis, beside other crates.

mod cached;
mod idempotent;

use std::error::Error;
use std::sync::Arc;

use idempotent_servers::{Flavor, Redis};
use tokio::runtime::Runtime;

use self::cached::{Cached, CachedOnRedis};
use self::idempotent::Idempotent;
use crate::current::Current;
use crate::older::Older;
use crate::rounds::{Plan, Ratios, fresh, median, prepare, turn};
use crate::side::{AnySide, What};

const ROUNDS: usize = 9;

/// The older revision, this one, `idempotent` and `cached`.
type Sides = [Arc<dyn AnySide>; 4];

pub(crate) fn measure_in_memory(
    one_thread: &Runtime,
    threads: &Runtime,
) -> Result<(), Box<dyn Error>> {
    println!("\nIn memory");
    for (tasks, runtime) in [(1, one_thread), (64, threads)] {
        runtime.block_on(async {
            let sides: Sides = [
                Arc::new(Older::in_memory()),
                Arc::new(Current::in_memory()),
                Arc::new(Idempotent::in_memory()?),
                Arc::new(Cached),
            ];
            let calls = if tasks == 1 { 8_192 } else { 16_384 };
            compare(&sides, Plan { what: What::Execute, tasks, keys: 0, calls }).await;
            compare(&sides, Plan { what: What::Replay, tasks, keys: 0, calls: 4 * calls }).await;
            Ok::<(), Box<dyn Error>>(())
        })?;
    }
    Ok(())
}

pub(crate) fn measure_on_redis(
    one_thread: &Runtime,
    threads: &Runtime,
) -> Result<(), Box<dyn Error>> {
    let server = threads.block_on(Redis::builder().flavor(Flavor::Redis).start());
    println!("\nRedis");
    for (tasks, runtime) in [(1, one_thread), (64, threads)] {
        runtime.block_on(async {
            let sides: Sides = [
                // The revisions' records have the same keys, and not the same layout.
                Arc::new(Older::on_redis(&format!("{}/1", server.url())).await?),
                Arc::new(Current::on_redis(&server.url()).await?),
                Arc::new(Idempotent::on_redis(&server.url()).await?),
                Arc::new(CachedOnRedis::connect(&server.url()).await?),
            ];
            let calls = if tasks == 1 { 2_000 } else { 16_384 };
            compare(&sides, Plan { what: What::Execute, tasks, keys: 0, calls }).await;
            compare(&sides, Plan { what: What::Replay, tasks, keys: 0, calls: 2 * calls }).await;
            Ok::<(), Box<dyn Error>>(())
        })?;
    }
    Ok(())
}

/// Prints each side's time, and how often the two revisions have its rate: above one, they are ahead of it.
async fn compare(sides: &Sides, plan: Plan) {
    let base = fresh();
    for side in sides {
        prepare(side, plan, base).await;
    }
    let mut times = [const { Vec::new() }; 4];
    for round in 0..ROUNDS {
        for place in 0..times.len() {
            let which = (place + round) % times.len();
            let first = plan.first(base, round as u64);
            let time = turn(&sides[which], plan, first, plan.calls).await;
            times[which].push(time.as_nanos() as f64 / plan.calls as f64);
        }
    }
    println!("{:?}, {} tasks", plan.what, plan.tasks);
    println!(
        "  {:20} {:>9}   {:26} the older revision ahead",
        "", "ns a call", "this revision ahead"
    );
    for (side, own) in sides.iter().zip(&times) {
        let [older, current] = [&times[0], &times[1]].map(|revision| {
            let mut ratios = Ratios::default();
            own.iter().zip(revision).for_each(|(own, ours)| ratios.add(own / ours));
            ratios.to_string()
        });
        println!("  {:20} {:>9.0}   {current:26} {older}", side.name(), median(own.clone()));
    }
}
