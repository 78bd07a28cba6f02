//! [`Mover`]: copies what is completed, pass by pass.

use std::fmt;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::report::MoveReport;
use super::transfer::transfer;
use crate::model::RecordId;
use crate::store::{Cursor, Entry, RecentIds, Scan, Store, StoreError};

const PAGE: usize = 100;
const CONCURRENCY: usize = 8;

/// Copies the results of one store to another one, while both are in use, and reports what is left.
///
/// It belongs to a fleet of [`Migrating`](super::Migrating) stores: start it when no process is in mode
/// [`Old`](super::MigrationMode::Old) any more. It may be stopped and started again at any moment, and several may run.
/// Each result is copied byte by byte, for what is left of its ttl. A record that is purged or corrected meanwhile is
/// followed. If a mover is killed, or a [`next`](MovePass::next) is dropped, a record that was purged at that very moment may
/// be left in the new store: purge it there once more.
///
/// The command `idempotent move` does this.
///
/// ```
/// use idempotent_core::backends::{MemoryStore, Mover};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), idempotent_core::store::StoreError> {
/// let (old, new) = (MemoryStore::new(), MemoryStore::new());
/// let mover = Mover::new(old, new);
/// let mut pass = mover.pass();
/// while pass.next().await? {
///     // Print pass.report(), or pause for the sake of others.
/// }
/// assert!(pass.report().is_done());
/// # Ok(()) }
/// ```
pub struct Mover<From, To> {
    stores: Arc<(From, To)>,
    page: usize,
    concurrency: usize,
    only_looks: bool,
}

/// One pass of a [`Mover`] over all records of the old store.
#[derive(Debug)]
#[must_use = "a pass does nothing until `next`"]
pub struct MovePass<'a, From, To> {
    mover: &'a Mover<From, To>,
    at: Position,
    /// A scan may find a record twice, which is then not there twice.
    recent: RecentIds,
    report: MoveReport,
}

#[derive(Debug)]
enum Position {
    Start,
    After(Cursor),
    End,
}

impl<From: Store, To: Store> Mover<From, To> {
    /// A mover from `old` to `new`: the two stores themselves, without a `Migrating`.
    pub fn new(old: From, new: To) -> Self {
        let stores = Arc::new((old, new));
        Self { stores, page: PAGE, concurrency: CONCURRENCY, only_looks: false }
    }

    /// About how many records it reads at once. Default: 100.
    #[must_use]
    pub fn page(mut self, records: usize) -> Self {
        self.page = records.max(1);
        self
    }

    /// How many records it copies at once. Default: 8.
    #[must_use]
    pub fn concurrency(mut self, records: usize) -> Self {
        self.concurrency = records.max(1);
        self
    }

    /// Copies nothing, and only reports.
    #[must_use]
    pub const fn only_looks(mut self) -> Self {
        self.only_looks = true;
        self
    }

    /// Begins a pass over all records of the old store. Passes do not depend on each other, so one that was stopped is
    /// simply made again.
    pub fn pass(&self) -> MovePass<'_, From, To> {
        let (recent, report) = (RecentIds::new(), MoveReport::default());
        MovePass { mover: self, at: Position::Start, recent, report }
    }
}

impl<From: Store, To: Store> MovePass<'_, From, To> {
    /// Copies the next page. Returns `false` if there was none: the pass is over.
    ///
    /// # Errors
    ///
    /// If one of the stores fails: the first error. Copies that had begun are ended first, and the report has what was done.
    /// The pass may go on: the page is then read again.
    pub async fn next(&mut self) -> Result<bool, StoreError> {
        let mut scan = Scan::all().limit(self.mover.page);
        match &self.at {
            Position::Start => {}
            Position::After(cursor) => scan = scan.after(cursor.clone()),
            Position::End => return Ok(false),
        }
        let mut page = self.mover.stores.0.scan(&scan).await?;
        page.entries.retain(|(id, _)| self.recent.is_first(id));
        let (mut done, failure) = self.copy(page.entries).await;
        if let Some(error) = failure {
            // The page is read again.
            self.recent = RecentIds::new();
            self.report.add_done(&done);
            return Err(error);
        }
        done.unreadable += page.unreadable.len() as u64;
        self.report.add(&done);
        self.at = page.next.map_or(Position::End, Position::After);
        Ok(true)
    }

    /// What the pass did until now.
    #[must_use]
    pub const fn report(&self) -> &MoveReport {
        &self.report
    }

    /// After a failure no other copy begins. Those that have begun look into the old store again, as always.
    async fn copy(&self, entries: Vec<(RecordId, Entry)>) -> (MoveReport, Option<StoreError>) {
        let Mover { stores, concurrency, only_looks, .. } = self.mover;
        let (mut tasks, mut done, mut failure) = (JoinSet::new(), MoveReport::default(), None);
        let mut entries = entries.into_iter();
        loop {
            while failure.is_none() && tasks.len() < *concurrency {
                let Some((id, entry)) = entries.next() else { break };
                let (stores, only_looks) = (Arc::clone(stores), *only_looks);
                tasks.spawn(async move {
                    let mut report = MoveReport::default();
                    let (old, new) = (&stores.0, &stores.1);
                    let ended = transfer(old, new, &id, entry, only_looks, &mut report).await;
                    (report, ended)
                });
            }
            let error = match tasks.join_next().await {
                None => return (done, failure),
                Some(Ok((report, ended))) => {
                    done.add(&report);
                    ended.err()
                }
                Some(Err(error)) => Some(StoreError::unavailable(error).without_answer()),
            };
            failure = failure.or(error);
        }
    }
}

impl<From, To> fmt::Debug for Mover<From, To> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mover")
            .field("page", &self.page)
            .field("concurrency", &self.concurrency)
            .field("only_looks", &self.only_looks)
            .finish_non_exhaustive()
    }
}
