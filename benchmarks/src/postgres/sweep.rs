//! What calls cost more while a sweeper removes what is over, as fast as it can, beside the same
//! calls with nothing to sweep.

use std::error::Error;
use std::sync::Arc;

use idempotent_core::Idempotency;
use sqlx::PgPool;

use crate::calls;
use crate::fill::{expired, settle};
use crate::ours::{Ours, store};
use crate::rounds::{Plan, Ratios, fresh, prepare, turn};
use crate::side::{AnySide, What};

const ROUNDS: u64 = 15;
/// More than are swept while a round lasts.
const EXPIRED: u64 = 60_000;
const LEFT: &str = "SELECT count(*) FROM idempotent.records WHERE expires_at <= now()";
const REMOVE: &str = "DELETE FROM idempotent.records WHERE expires_at <= now()";

/// How many turns are one: several batches are swept meanwhile.
const fn turns(tasks: u64) -> u64 {
    if tasks == 1 { 4 } else { 2 }
}

pub(crate) async fn measure(pool: &PgPool, url: &str, rows: u64) -> Result<(), Box<dyn Error>> {
    let store = store(url).await?;
    let side: Arc<dyn AnySide> = Arc::new(Ours::new(Idempotency::new(store.clone())));
    for what in [What::Execute, What::Replay] {
        for tasks in [1, 64] {
            let plan = Plan { what, tasks, keys: rows, calls: calls(tasks) };
            let base = fresh();
            prepare(&side, plan, base).await;
            let (mut ratios, mut rates) = (Ratios::default(), Vec::new());
            for round in 0..ROUNDS {
                let mut times = [0.0; 2];
                for place in 0..2 {
                    let sweeping = (place + round) % 2 == 1;
                    if sweeping {
                        expired(pool, EXPIRED).await?;
                    }
                    settle(pool).await?;
                    let sweeper = sweeping.then(|| {
                        let store = store.clone();
                        tokio::spawn(async move { store.sweep().await })
                    });
                    let mut time = 0.0;
                    for part in 0..turns(tasks) {
                        let first = plan.first(base, (2 * round + place) * turns(tasks) + part);
                        time += turn(&side, plan, first, plan.calls).await.as_secs_f64();
                    }
                    times[usize::from(sweeping)] = time;
                    if let Some(sweeper) = sweeper {
                        assert!(
                            !sweeper.is_finished(),
                            "there was something to sweep all the time"
                        );
                        let left: i64 = sqlx::query_scalar(LEFT).fetch_one(pool).await?;
                        rates.push((EXPIRED as f64 - left as f64) / time);
                        sweeper.abort();
                        sqlx::query(REMOVE).execute(pool).await?;
                    }
                }
                ratios.add(times[1] / times[0]);
            }
            let rate = rates.iter().sum::<f64>() / rates.len() as f64;
            println!("{what:?}, {tasks} tasks, {rows} keys in the server at first");
            println!("  while {rate:>6.0} rows a second are swept   {ratios}");
        }
    }
    Ok(())
}
