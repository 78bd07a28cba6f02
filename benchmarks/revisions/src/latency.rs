//! How long one task's calls take while many others make theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::receipt::key;
use crate::rounds::{fresh, median};
use crate::side::{AnySide, What};
use crate::sides::Sides;

const ROUNDS: usize = 8;
const TURN: Duration = Duration::from_secs(4);
/// Keys that are executed beforehand, and replayed.
const REPLAYED: u64 = 64;

/// Prints the median and the 99th percentile of each side, and how often the latter has the older revision's.
pub(crate) async fn measure(sides: &Sides) {
    for (what, others) in [(What::Execute, 256), (What::Replay, 200)] {
        println!("{what:?}, one task while {others} execute");
        let mut times = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            for place in 0..times.len() {
                let which = (place + round) % times.len();
                times[which].extend(turn(&sides.0[which], what, others).await);
            }
        }
        let slow = times.each_mut().map(|own| {
            own.sort_by(f64::total_cmp);
            own[own.len() * 99 / 100]
        });
        for ((side, own), p99) in sides.0.iter().zip(&times).zip(slow) {
            println!(
                "  {:20} {:>7.1} ms, p99 {p99:>7.1} ms of {} calls, {:.2} x",
                side.name(),
                median(own.clone()),
                own.len(),
                p99 / slow[0]
            );
        }
    }
}

/// The milliseconds of each call that one task makes.
async fn turn(side: &Arc<dyn AnySide>, what: What, others: u64) -> Vec<f64> {
    let (base, ends) = (fresh(), Arc::new(AtomicBool::new(false)));
    let replayed: Vec<String> = (0..REPLAYED).map(|n| key(base + n)).collect();
    side.calls(What::Execute, &replayed).await.expect("the calls succeed");
    let mut tasks = JoinSet::new();
    for task in 0..others {
        let (side, ends) = (side.clone(), ends.clone());
        tasks.spawn(async move {
            for n in (0..).take_while(|_| !ends.load(Ordering::Relaxed)) {
                let key = key(base + 10_000 + n * others + task);
                side.calls(What::Execute, &[key]).await.expect("the calls succeed");
            }
        });
    }
    let (start, mut times) = (Instant::now(), Vec::new());
    for n in (0..).take_while(|_| start.elapsed() < TURN) {
        let key = match what {
            What::Execute => [key(base + 1_000 + n)],
            What::Replay => [replayed[(n % REPLAYED) as usize].clone()],
        };
        let begun = Instant::now();
        side.calls(what, &key).await.expect("the calls succeed");
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    ends.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    times
}
