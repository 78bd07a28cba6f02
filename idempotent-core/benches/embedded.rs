//! What a call costs on the embedded store, against the least that it could cost.
//!
//! The limit is what nobody can leave out: for a replay one `moka` lookup and decoding the result;
//! for an execution a lookup that misses, a claim in a locked map, encoding, and a `moka` insert.
//! Both sides run in turns of a few hundred calls within one measurement, so noise hits both, and
//! the ratio printed is the median over the turns.
//!
//! Fixed: 32-byte keys (hexadecimal digits), a receipt that is 177 bytes as JSON, 1,000 or
//! 1,000,000 records in a store that is full, one task or 64 tasks on as many threads as there are
//! cores. `cargo bench -p idempotent-core --bench embedded`

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use idempotent_core::backends::MemoryStore;
use idempotent_core::{Error, Idempotency};
use tokio::runtime::{Builder, Runtime};

#[path = "memory/sides.rs"]
mod sides;

use sides::{CHARGE, Key, Limit, RECORD_BYTES, call, key};

const TURN: u64 = 512;
const TASKS: u64 = 64;

/// One comparison: the same keys on both sides, in turns.
struct Pair {
    limit: Arc<Limit>,
    engine: Idempotency,
    runtime: Runtime,
    tasks: u64,
    records: u64,
    next: AtomicU64,
    ratios: RefCell<Vec<f64>>,
}

#[derive(Clone, Copy)]
enum What {
    Replay,
    Execute,
}

impl Pair {
    fn new(records: u64, tasks: u64) -> Self {
        let store = MemoryStore::builder().capacity_bytes(records * RECORD_BYTES).build();
        let runtime = match tasks {
            1 => Builder::new_current_thread().enable_all().build(),
            _ => Builder::new_multi_thread().enable_all().build(),
        };
        let pair = Self {
            limit: Arc::new(Limit::new(records)),
            engine: Idempotency::new(store),
            runtime: runtime.expect("a runtime"),
            tasks,
            records,
            next: AtomicU64::new(0),
            ratios: RefCell::default(),
        };
        let all: Vec<Key> = (0..records).map(key).collect();
        pair.limit(What::Execute, &all);
        pair.ours(&all);
        pair
    }

    /// Fresh keys to execute; for replays some of the latest, which are still there.
    fn keys(&self, what: What, count: u64) -> Vec<Key> {
        match what {
            What::Execute => {
                let from = self.records + self.next.fetch_add(count, Ordering::Relaxed);
                (from..from + count).map(key).collect()
            }
            What::Replay => {
                let from = self.next.fetch_add(count, Ordering::Relaxed);
                // A walk over the newer half in steps that no cache line or page follows.
                let half = self.records / 2;
                (from..from + count)
                    .map(|n| key(half + n.wrapping_mul(2_654_435_761) % half))
                    .collect()
            }
        }
    }

    fn limit(&self, what: What, keys: &[Key]) -> Duration {
        let run = move |limit: &Limit, keys: &[Key]| match what {
            What::Replay => keys.iter().for_each(|key| drop(black_box(limit.replay(key)))),
            What::Execute => keys.iter().for_each(|key| limit.execute(key)),
        };
        let start = Instant::now();
        if self.tasks == 1 {
            run(&self.limit, keys);
        } else {
            self.runtime.block_on(async {
                let share = keys.len().div_ceil(self.tasks as usize);
                let tasks: Vec<_> = keys
                    .chunks(share)
                    .map(|keys| {
                        let (limit, keys) = (Arc::clone(&self.limit), keys.to_vec());
                        tokio::spawn(async move { run(&limit, &keys) })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            });
        }
        start.elapsed()
    }

    fn ours(&self, keys: &[Key]) -> Duration {
        async fn run(engine: &Idempotency, keys: &[Key]) {
            for key in keys {
                black_box(call(engine, key).await);
            }
        }
        let start = Instant::now();
        self.runtime.block_on(async {
            if self.tasks == 1 {
                return run(&self.engine, keys).await;
            }
            let share = keys.len().div_ceil(self.tasks as usize);
            let tasks: Vec<_> = keys
                .chunks(share)
                .map(|keys| {
                    let (engine, keys) = (self.engine.clone(), keys.to_vec());
                    tokio::spawn(async move { run(&engine, &keys).await })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        start.elapsed()
    }

    /// Runs `calls` on each side in turns and gives both sides' time.
    fn turns(&self, what: What, calls: u64) -> (Duration, Duration) {
        let (mut limit, mut ours) = (Duration::ZERO, Duration::ZERO);
        let turn = TURN * self.tasks.min(8);
        let mut left = calls;
        while left > 0 {
            let count = left.min(turn);
            let keys = self.keys(what, count);
            let (a, b) = (self.limit(what, &keys), self.ours(&keys));
            (limit, ours) = (limit + a, ours + b);
            if count == turn {
                self.ratios.borrow_mut().push(b.as_secs_f64() / a.as_secs_f64());
            }
            left -= count;
        }
        (limit, ours)
    }
}

fn bench(c: &mut Criterion) {
    for records in [1_000, 1_000_000] {
        for tasks in [1, TASKS] {
            for (name, what) in [("replay", What::Replay), ("execute", What::Execute)] {
                let pair = Pair::new(records, tasks);
                let name = format!("{name}/{records} records/{tasks} tasks");
                let mut group = c.benchmark_group(&name);
                group.bench_function("limit", |b| b.iter_custom(|n| pair.turns(what, n).0));
                group.bench_function("ours", |b| b.iter_custom(|n| pair.turns(what, n).1));
                group.finish();
                let mut ratios = pair.ratios.take();
                ratios.sort_by(f64::total_cmp);
                if let Some(median) = ratios.get(ratios.len() / 2) {
                    println!("{name}: {median:.2} x the limit\n");
                }
            }
        }
    }
}

fn wake(c: &mut Criterion) {
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let engine = Idempotency::new(MemoryStore::new());
    let next = AtomicU64::new(0);
    c.bench_function("a waiter wakes after completion", |b| {
        b.iter_custom(|rounds| {
            runtime.block_on(async {
                let mut waited = Duration::ZERO;
                for _ in 0..rounds {
                    let key = next.fetch_add(1, Ordering::Relaxed);
                    waited += one_wake(&engine, key).await;
                }
                waited
            })
        });
    });
}

/// From the end of the body to the waiter's having the result: recording included.
async fn one_wake(engine: &Idempotency, key: u64) -> Duration {
    let operation = CHARGE.wait(Duration::from_secs(5));
    let call = move |engine: &Idempotency| {
        operation.key(&key).engine(engine).returning::<Result<u64, Error>>()
    };
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let (started, has_started) = tokio::sync::oneshot::channel::<()>();
    let ended = Arc::new(Mutex::new(None));
    let owner = tokio::spawn({
        let (owner, ended) = (call(engine), Arc::clone(&ended));
        async move {
            owner
                .run(|| async move {
                    let _ = started.send(());
                    let _ = released.await;
                    *ended.lock().expect("not poisoned") = Some(Instant::now());
                    Ok(1)
                })
                .await
        }
    });
    let _ = has_started.await;
    let waiter = tokio::spawn({
        let waiter = call(engine);
        async move {
            let result = waiter.run(|| async { Ok(2) }).await;
            (result, Instant::now())
        }
    });
    // Long enough for the waiter to be listening.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let _ = release.send(());
    let (result, woken) = waiter.await.expect("no panic");
    assert_eq!(result.expect("it is replayed"), 1);
    owner.await.expect("no panic").expect("it ran");
    let ended = ended.lock().expect("not poisoned").expect("the body ended");
    woken - ended
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = bench, wake
}
criterion_main!(benches);
