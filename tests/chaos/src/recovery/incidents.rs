//! What befell a run from outside, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::checker::Span;
use crate::timestamp::Timestamp;

/// What befell a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Incidents {
    /// When a worker was killed.
    pub(super) kills: Vec<Timestamp>,
    /// While a worker was stopped.
    pub(super) freezes: Vec<Span>,
    /// From a fault of a server until it was whole again.
    pub(super) server_faults: Vec<Span>,
    /// While the machine did not let the runner run.
    pub(super) stalls: Vec<Span>,
    /// While there was no process that reached the store and could go on.
    pub(super) absences: Vec<Span>,
}

impl Incidents {
    /// How much of a time went by while nobody could have done anything.
    pub(super) fn excused(&self, time: Span) -> Duration {
        let mut spans: Vec<Span> = self.stalls.iter().chain(&self.absences).copied().collect();
        spans.sort_by_key(|span| span.from);
        let (mut excused, mut counted) = (Duration::ZERO, time.from);
        for span in spans {
            let (from, to) = (span.from.max(counted), span.to.min(time.to));
            excused += to.since(from);
            counted = counted.max(to);
        }
        excused
    }

    /// When what a worker was taking may have been lost: it stopped to answer, for a while or for good, or the store had.
    pub(super) fn losses(&self) -> impl Iterator<Item = Timestamp> {
        let workers = self.kills.iter().copied().chain(self.freezes.iter().map(|span| span.from));
        workers.chain(self.absences.iter().map(|span| span.to))
    }
}

const TICK: Duration = Duration::from_millis(20);

/// A tick that comes so late says that the machine stood still.
const LATE: Duration = Duration::from_millis(100);

/// A thread that does nothing but to look at the clock, and so notices when it is not let.
#[derive(Debug)]
pub(super) struct StallWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Span>>,
}

impl StallWatch {
    pub(super) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut stalls, mut last) = (Vec::new(), Timestamp::now());
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                let now = Timestamp::now();
                if now.since(last) > LATE {
                    stalls.push(Span { from: last.after(TICK), to: now });
                }
                last = now;
            }
            stalls
        });
        Self { stop, thread }
    }

    pub(super) fn end(self) -> Result<Vec<Span>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that looks at the clock panicked"))
    }
}
