//! Cases that the machine held up: what they saw may be right, so they run again with more time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::subject::Subject;

/// How often a case may run: with one lease, two, four and so on.
const RUNS: u32 = 5;

/// What one run of a case takes of real time, beside the time that it lets pass.
#[derive(Clone)]
pub(super) struct HoldUp(Arc<Watch>);

struct Watch {
    begun: Instant,
    advanced: Mutex<Duration>,
    /// By how much all times of the case are multiplied.
    factor: u32,
    is_inexcusable: AtomicBool,
}

impl HoldUp {
    /// A watch for each run that a case may need.
    pub(super) fn of_each_run() -> impl Iterator<Item = Self> {
        (0..RUNS).map(|run| Self::starting_now(1 << run))
    }

    fn starting_now(factor: u32) -> Self {
        Self(Arc::new(Watch {
            begun: Instant::now(),
            advanced: Mutex::default(),
            factor,
            is_inexcusable: AtomicBool::new(false),
        }))
    }

    pub(super) fn factor(&self) -> u32 {
        self.0.factor
    }

    /// The case lets this time pass, so it is no delay.
    pub(super) fn advance(&self, by: Duration) {
        let mut advanced = self.0.advanced.lock().unwrap_or_else(PoisonError::into_inner);
        *advanced = advanced.saturating_add(by);
    }

    /// What fails now does not fail because a lease was over too soon.
    pub(super) fn excuse_nothing(&self) {
        self.0.is_inexcusable.store(true, Ordering::Relaxed);
    }

    /// Whether a case that has failed may have done so because it took too long, and may run again. Cases leave a
    /// quarter of a lease for their calls, so a delay of half of that explains nothing. Nor does any on a manual clock, whose
    /// leases are longer than a case takes.
    pub(super) fn excuses(&self, subject: &dyn Subject) -> bool {
        let advanced = *self.0.advanced.lock().unwrap_or_else(PoisonError::into_inner);
        let delay = self.0.begun.elapsed().saturating_sub(advanced);
        let is_last = self.0.factor == 1 << (RUNS - 1);
        !is_last
            && !self.0.is_inexcusable.load(Ordering::Relaxed)
            && delay > subject.lease() * self.0.factor / 8
    }
}
