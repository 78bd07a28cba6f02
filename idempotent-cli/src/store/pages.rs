//! All records of a store, page by page: gently, or as fast as it answers.

use std::time::{Duration, Instant};

use idempotent_core::engine::{Inspection, InspectionPage};
use idempotent_core::store::{RecentIds, Scan};
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

/// How many records a page has: until it is known how large they are, and at most.
const FIRST_PAGE: usize = 10;
const GENTLE_PAGE: usize = 100;
const FAST_PAGE: usize = 4000;

/// About how many bytes a page has at most. Two may be in memory, and what they are read from.
const PAGE_BYTES: usize = 8 << 20;
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// A scan of all records, one page in memory at a time, or two.
pub(crate) struct Pages<'a> {
    engine: &'a Idempotency,
    interrupt: &'a Interrupt,
    pace: Pace,
    next: Option<Scan>,
    /// How many records were read, and how many bytes.
    read: (usize, usize),
    recent: RecentIds,
    pause: Option<Duration>,
    /// The page that is being read.
    ahead: JoinSet<Result<InspectionPage, Error>>,
}

impl Pace {
    pub(crate) const fn new(is_fast: bool) -> Self {
        if is_fast { Self::Fast } else { Self::Gentle }
    }

    /// How many records to read at once, by how many were read and how large they were. Records are in the order of their
    /// hashes, so those to come are like those before.
    fn page(self, (records, bytes): (usize, usize)) -> usize {
        let most = match self {
            Self::Gentle => GENTLE_PAGE,
            Self::Fast => FAST_PAGE,
        };
        let fitting = PAGE_BYTES.saturating_mul(records.max(1)) / bytes.max(1);
        fitting.clamp(1, most)
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
        Self {
            engine,
            interrupt,
            pace,
            next: Some(scan.limit(FIRST_PAGE)),
            read: (0, 0),
            recent: RecentIds::new(),
            pause: None,
            ahead: JoinSet::new(),
        }
    }

    /// The next page, without what was on the pages shortly before; `None` after the last one.
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
        let (mut page, took) = self.interrupt.unless_pressed(read).await??;
        self.read.0 += page.entries.len();
        self.read.1 += page.entries.iter().map(Inspection::bytes).sum::<usize>();
        page.entries.retain(|seen| self.recent.is_first(seen.id()));
        let limit = self.pace.page(self.read);
        self.next = page.next.clone().map(|cursor| scan.limit(limit).after(cursor));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_as_many_records_as_fit_into_its_bytes() {
        assert_eq!(Pace::Fast.page((10, 2_000)), FAST_PAGE);
        assert_eq!(Pace::Gentle.page((10, 2_000)), GENTLE_PAGE);
        assert_eq!(Pace::Fast.page((0, 0)), FAST_PAGE, "none of the kind so far");
        assert_eq!(Pace::Fast.page((10, 10 << 20)), 8);
        assert_eq!(Pace::Gentle.page((3, 300 << 20)), 1);
    }
}
