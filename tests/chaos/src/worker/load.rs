//! The load: operations drawn from a seed, at an even pace, over keys that come and go.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;

use super::operation::{Body, Draw, Shop};
use super::{Assignment, Report};
use crate::ledger::Phase;
use crate::timestamp::Timestamp;

/// What one process is to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Load {
    /// When the load of the run began.
    pub(crate) from: Timestamp,
    /// When it should end.
    pub(crate) until: Timestamp,
    /// How many operations are this process's.
    pub(crate) operations: u64,
}

/// A load that runs.
#[derive(Debug)]
pub(super) struct RunningLoad {
    stop: watch::Sender<bool>,
    tasks: JoinHandle<Result<()>>,
}

impl Load {
    /// Begins it.
    pub(super) fn begin(self, shop: Arc<Shop>, assignment: &Assignment) -> RunningLoad {
        let (stop, stopped) = watch::channel(false);
        let Assignment { tasks, keys, seed, longest_body, .. } = *assignment;
        let start = Timestamp::now().max(self.from);
        let tasks = tokio::spawn(async move {
            let mut running = JoinSet::new();
            for task in 0..tasks {
                let (task_number, of) = (task as u64, tasks as u64);
                let shift = Share { load: self, start, task: task_number, of, keys, longest_body };
                let random = fastrand::Rng::with_seed(seed.wrapping_add(task as u64));
                running.spawn(shift.work(Arc::clone(&shop), random, stopped.clone()));
            }
            while let Some(ended) = running.join_next().await {
                ended?;
            }
            Report::Done.send()?;
            Ok(())
        });
        RunningLoad { stop, tasks }
    }
}

impl RunningLoad {
    /// Begins no more operations, and returns when those that run have ended.
    pub(super) async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.tasks.await?
    }
}

/// What one task does of it: every `of`-th operation.
#[derive(Clone, Copy, Debug)]
struct Share {
    load: Load,
    start: Timestamp,
    task: u64,
    of: u64,
    keys: u32,
    longest_body: Duration,
}

impl Share {
    async fn work(
        self,
        shop: Arc<Shop>,
        mut random: fastrand::Rng,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut next = self.task;
        while next < self.load.operations {
            tokio::select! {
                // Returns at once when this is already so.
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.planned(next).reached() => {}
            }
            let draw = draw(&mut random, self.progress(), self.keys, self.longest_body);
            shop.order(draw, Phase::Load).await;
            next += self.of;
        }
    }

    fn planned(&self, operation: u64) -> Timestamp {
        let whole = self.load.until.since(self.start);
        self.start.after(whole.mul_f64(operation as f64 / self.load.operations.max(1) as f64))
    }

    fn progress(&self) -> f64 {
        let whole = self.load.until.since(self.load.from).as_secs_f64();
        let past = Timestamp::now().since(self.load.from).as_secs_f64();
        if whole > 0.0 { (past / whole).min(1.0) } else { 1.0 }
    }
}

/// Keys open one after the other as the load goes on, so that there are new ones to reserve through
/// every fault. Most operations go to the latest, which so are hot, and some to any that is open,
/// whose record a fault may have cost.
fn draw(random: &mut fastrand::Rng, progress: f64, keys: u32, longest_body: Duration) -> Draw {
    let hot = (keys / 25).clamp(1, keys.max(1));
    let opened = hot + (f64::from(keys.saturating_sub(hot)) * progress) as u32;
    let oldest = if random.f64() < 0.8 { opened - hot } else { 0 };
    Draw {
        key: random.u32(oldest..opened),
        wait: (random.f64() < 0.3).then(|| Duration::from_millis(random.u64(50..600))),
        patience: (random.f64() < 0.05).then(|| Duration::from_millis(random.u64(1..40))),
        body: draw_body(random, longest_body),
    }
}

fn draw_body(random: &mut fastrand::Rng, longest_body: Duration) -> Body {
    let longest = match random.f64() {
        choice if choice < 0.70 => Duration::from_millis(4),
        choice if choice < 0.93 => Duration::from_millis(60),
        _ => longest_body,
    };
    let (time, split) = (longest.mul_f64(random.f64()), random.f64());
    let before = time.mul_f64(split);
    Body { before, after: time - before, declines: random.f64() < 0.03 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST_BODY: Duration = Duration::from_millis(2_400);

    #[test]
    fn keys_open_as_the_load_goes_on_and_never_run_out() {
        let mut random = fastrand::Rng::with_seed(1);
        for (progress, first, last) in [(0.0, 0, 40), (0.5, 0, 520), (1.0, 0, 1_000)] {
            for _ in 0..10_000 {
                let key = draw(&mut random, progress, 1_000, LONGEST_BODY).key;
                assert!((first..last).contains(&key), "{key} at {progress}");
            }
        }
        assert_eq!(draw(&mut random, 1.0, 1, LONGEST_BODY).key, 0);
    }

    #[test]
    fn some_bodies_outlast_a_lease_and_some_calls_wait_decline_or_go_away() {
        let mut random = fastrand::Rng::with_seed(1);
        let draw = |_| draw(&mut random, 0.5, 1_000, LONGEST_BODY);
        let draws: Vec<_> = (0..10_000).map(draw).collect();
        let long = |draw: &&Draw| draw.body.before + draw.body.after > Duration::from_secs(2);
        assert!(draws.iter().filter(long).count() > 50);
        assert!(draws.iter().filter(|draw| draw.wait.is_some()).count() > 1_000);
        assert!(draws.iter().filter(|draw| draw.patience.is_some()).count() > 100);
        assert!(draws.iter().filter(|draw| draw.body.declines).count() > 100);
        assert!(draws.iter().all(|draw| draw.body.before + draw.body.after <= LONGEST_BODY));
    }
}
