//! How a [`SqliteStore`] is set up.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteSynchronous;
use tokio::runtime::Handle;

use super::SqliteStore;
use super::error::no_runtime;
use super::file::{self, Opening, Owner};
use super::hub::Hub;
use super::link::Link;
use super::names::Names;
use super::shared::Shared;
use super::sweep;
use crate::store::StoreError;
use crate::store::wake::Looks;

const MAX_CONNECTIONS: u32 = 4;
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SHORTEST_SWEEP: Duration = Duration::from_millis(10);

/// No timeout and no pause is longer: clocks and connections take no others.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A look costs some twenty microseconds of a processor, and nobody else's time.
const FIRST_PAUSE: Duration = Duration::from_millis(3);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Sets up a [`SqliteStore`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `connect`"]
pub struct SqliteStoreBuilder {
    source: Source,
    names: Names,
    max_connections: u32,
    response_timeout: Duration,
    synchronous: SqliteSynchronous,
    sweep_every: Option<Duration>,
    looks: Looks,
}

#[derive(Clone)]
enum Source {
    Path(PathBuf),
    Pool(SqlitePool),
}

impl SqliteStoreBuilder {
    pub(super) fn path(path: PathBuf) -> Self {
        Self::new(Source::Path(path))
    }

    pub(super) fn pool(pool: SqlitePool) -> Self {
        Self::new(Source::Pool(pool))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            names: Names::default(),
            max_connections: MAX_CONNECTIONS,
            response_timeout: RESPONSE_TIMEOUT,
            synchronous: SqliteSynchronous::Full,
            sweep_every: Some(SWEEP_EVERY),
            looks: Looks::new(FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// The table of the records, in letters, digits, `_` and `-`, at most 40 bytes. Default:
    /// `idempotent_records`.
    ///
    /// Stores of different tables do not see each other's records. Other tables and indexes of the
    /// store are called after it.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.names.set_table(table.into());
        self
    }

    /// How many connections the store opens at most, at least one, each with a thread of its own.
    /// Default: 4. Not for a pool of the application's, which has its own limit.
    ///
    /// They only read at the same time: a file has one writer.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// The longest that one question to the file may take, waiting for a connection and for other
    /// writers included. Default: two seconds; at most a day.
    ///
    /// Keep it well below the shortest lease. A call of [`SqliteStore`] asks once to three times.
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// When a commit counts as done. Default: `Full`. Not for a pool of the application's, whose
    /// connections have their own setting.
    ///
    /// | | the process dies | the power goes, or the system crashes |
    /// |---|---|---|
    /// | `Full`, `Extra` | nothing is lost | nothing is lost, if the disk keeps what it says it has |
    /// | `Normal` | nothing is lost | the last commits may be undone; the file stays whole |
    /// | `Off` | nothing is lost | the file may be damaged |
    ///
    /// A commit that is undone is a call that runs again, or whose result is lost, whatever its
    /// guarantee. `Normal` saves a flush of the disk a write, which is most of what a write costs.
    pub const fn synchronous(mut self, synchronous: SqliteSynchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How often what is over is removed, some 200 rows at a time: results whose ttl is over,
    /// reservations whose retention is over. Default: once a minute; at least every day, at
    /// most every ten milliseconds. `None`: never, and [`SqliteStore::sweep`] is yours to call.
    ///
    /// Nothing depends on it but the file's size: what is over counts as vacant at once.
    pub fn sweep_every(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.sweep_every = interval.into().map(|interval| interval.clamp(SHORTEST_SWEEP, LONGEST));
        self
    }

    /// The pauses after which somebody who waits for another process's call looks whether it ended:
    /// they begin with `first` and double up to `longest`. Default: 3 and 100 milliseconds. At least
    /// one millisecond, at most a day. Calls of this store wake each other at once.
    pub fn wait_pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.looks = Looks::new(first, longest);
        self
    }

    /// Opens the file, which is made where there is none, and makes the tables.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, is no database, or cannot be written to and has no tables. If
    /// the tables are those of a newer release, or the table's name is none. If there is no file, as
    /// with `:memory:`.
    pub async fn connect(self) -> Result<SqliteStore, StoreError> {
        self.names.check()?;
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        let timeout = self.response_timeout.min(LONGEST);
        let (pool, owner) = match &self.source {
            Source::Pool(pool) => (pool.clone(), Owner::Application),
            Source::Path(path) => {
                let (max_connections, synchronous) = (self.max_connections, self.synchronous);
                let opening = Opening { max_connections, synchronous, timeout };
                (file::pool(path, opening)?, Owner::Store)
            }
        };
        file::prepare(&pool, owner, &self.names, timeout).await?;
        let link = Link::new(pool, timeout);
        let store = Arc::new(Shared::new(link, self.names, owner, Hub::new(self.looks)));
        if let Some(every) = self.sweep_every {
            runtime.spawn(sweep::run(Arc::downgrade(&store), every, store.stopped()));
        }
        Ok(SqliteStore(store))
    }
}

impl fmt::Debug for SqliteStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SqliteStoreBuilder");
        if let Source::Path(path) = &self.source {
            shown.field("path", path);
        }
        shown
            .field("table", &self.names.table())
            .field("max_connections", &self.max_connections)
            .field("response_timeout", &self.response_timeout)
            .field("synchronous", &self.synchronous)
            .field("sweep_every", &self.sweep_every)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_are_neither_endless_nor_endlessly_apart() {
        let every =
            |interval: Duration| SqliteStore::builder("f").sweep_every(interval).sweep_every;
        assert_eq!(every(Duration::ZERO), Some(SHORTEST_SWEEP));
        assert_eq!(every(Duration::MAX), Some(LONGEST));
        assert_eq!(SqliteStore::builder("f").sweep_every(None).sweep_every, None);
    }
}
