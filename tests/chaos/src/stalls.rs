//! When the machine stands still, which no store can help.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::checker::Span;
use crate::timestamp::Timestamp;

const TICK: Duration = Duration::from_millis(20);

/// A tick that comes so late says that the machine stood still.
const LATE: Duration = Duration::from_millis(100);

/// A thread that does nothing but to look at the clock, and so notices when it is not let.
#[derive(Debug)]
pub struct StallWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Span>>,
}

impl StallWatch {
    /// Looks at it from now on.
    #[must_use]
    pub fn start() -> Self {
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

    pub(crate) fn end(self) -> Result<Vec<Span>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that looks at the clock panicked"))
    }

    /// Ends it, and returns for how long the machine stood still at most.
    ///
    /// # Errors
    ///
    /// If its thread panicked.
    pub fn longest(self) -> Result<Duration> {
        let stalls = self.end()?.into_iter().map(|stall| stall.to.since(stall.from));
        Ok(stalls.max().unwrap_or_default())
    }
}
