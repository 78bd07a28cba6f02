//! All records of a store, page by page: gently, or as fast as it answers.

use std::time::{Duration, Instant};

use idempotent_core::engine::InspectionPage;
use idempotent_core::store::Scan;
use idempotent_core::{Error, Idempotency};

use tokio::task::JoinSet;

use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;

/// How fast to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Small pages, and after each a pause of twice its time, so that others have the store for two thirds of it.
    Gentle,
    /// Large pages without pauses, the next of which is read while one is dealt with.
    Fast,
}

const GENTLE_PAGE: usize = 100;
const FAST_PAGE: usize = 1000;
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// A scan of all records, one page in memory at a time, or two.
pub(crate) struct Pages<'a> {
    engine: &'a Idempotency,
    interrupt: &'a Interrupt,
    pace: Pace,
    next: Option<Scan>,
    pause: Option<Duration>,
    /// The page that is being read.
    ahead: JoinSet<Result<InspectionPage, Error>>,
}

impl Pace {
    pub(crate) const fn new(is_fast: bool) -> Self {
        if is_fast { Self::Fast } else { Self::Gentle }
    }

    /// Leaves the store to others for a while, after a request that took so long.
    pub(crate) async fn rest(self, took: Duration) {
        if self == Self::Gentle {
            tokio::time::sleep((took * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)).await;
        }
    }
}

impl<'a> Pages<'a> {
    pub(crate) fn new(
        engine: &'a Idempotency,
        interrupt: &'a Interrupt,
        pace: Pace,
        scan: Scan,
    ) -> Self {
        let limit = match pace {
            Pace::Gentle => GENTLE_PAGE,
            Pace::Fast => FAST_PAGE,
        };
        Self {
            engine,
            interrupt,
            pace,
            next: Some(scan.limit(limit)),
            pause: None,
            ahead: JoinSet::new(),
        }
    }

    /// The next page; `None` after the last one.
    ///
    /// # Errors
    ///
    /// If the store fails, or Ctrl-C was pressed.
    pub(crate) async fn next(&mut self) -> Result<Option<InspectionPage>, Failure> {
        let Some(scan) = self.next.take() else { return Ok(None) };
        let pause = self.pause.take();
        let read = async {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let start = Instant::now();
            let page = match self.ahead.join_next().await {
                Some(page) => page.map_err(|error| {
                    Failure::new(Exit::Failed, format!("a page could not be read: {error}"))
                })??,
                None => self.engine.scan(&scan).await?,
            };
            Ok::<_, Failure>((page, start.elapsed()))
        };
        let (page, took) = self.interrupt.unless_pressed(read).await??;
        self.next = page.next.clone().map(|cursor| scan.after(cursor));
        match (self.pace, &self.next) {
            (Pace::Gentle, _) => {
                self.pause = Some((took * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
            }
            (Pace::Fast, Some(scan)) => {
                let (engine, scan) = (self.engine.clone(), scan.clone());
                self.ahead.spawn(async move { engine.scan(&scan).await });
            }
            (Pace::Fast, None) => {}
        }
        Ok(Some(page))
    }
}
