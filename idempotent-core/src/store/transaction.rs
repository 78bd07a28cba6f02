//! A caller's own transaction, within which a call is reserved, run and recorded.
//!
//! Nothing here knows a database: each store that keeps its records in one implements
//! [`Transaction`] for that database's connections.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{Complete, Entry, Release, Reserve, StoreError};

/// A transaction of the caller's, in the database in which the engine's store keeps its records.
///
/// [`Call::run_in`](crate::Call::run_in) takes one. With features `postgres` and `sqlite` sqlx's
/// `Transaction<'_, Postgres>` and `Transaction<'_, Sqlite>` are some, and so is a `PgConnection` or
/// `SqliteConnection` on which a transaction has begun.
///
/// What happens within it is seen by nobody before the caller commits, and is gone when the caller
/// rolls back. A reservation that is neither completed nor released must not be possible to commit.
///
#[doc = include_str!("../../docs/transactions.md")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no transaction that an idempotent call can run within",
    label = "not a transaction",
    note = "with feature `postgres`, `sqlx::Transaction<'_, sqlx::Postgres>` and `sqlx::PgConnection` are some",
    note = "with feature `sqlite`, `sqlx::Transaction<'_, sqlx::Sqlite>` and `sqlx::SqliteConnection` are some"
)]
#[async_trait]
pub trait Transaction: Send {
    /// Reserves a vacant id and begins what [`undo`](Self::undo) undoes, or tells what stands there.
    /// A transaction that does not know yet whether it does, since another one has not ended,
    /// waits up to `wait` for it, or not at all.
    ///
    /// # Errors
    ///
    /// [`Conflict`](super::StoreErrorKind::Conflict) where only another run of the whole transaction
    /// helps, [`Mismatch`](super::StoreErrorKind::Mismatch) where this is no transaction of the
    /// store's database, and when the database cannot be asked.
    async fn reserve(
        &mut self,
        place: &Place<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<Joined, StoreError>;

    /// Undoes everything since the reservation, and leaves the reservation as it is.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    async fn undo(&mut self, place: &Place<'_>) -> Result<(), StoreError>;

    /// Ends the reservation with a result.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), and when this transaction has no such reservation.
    async fn complete(
        &mut self,
        place: &Place<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError>;

    /// Ends the reservation without leaving anything.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    async fn release(&mut self, place: &Place<'_>, request: &Release<'_>)
    -> Result<(), StoreError>;
}

/// Where a call stands in its transaction.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Place<'a> {
    /// What the engine's store gives as its [`tables`](super::Store::tables).
    pub tables: &'a (dyn Any + Send + Sync),
    /// How many calls are within one another, this one included: what names its savepoint.
    pub depth: u32,
}

impl<'a> Place<'a> {
    /// A place.
    #[must_use]
    pub const fn new(tables: &'a (dyn Any + Send + Sync), depth: u32) -> Self {
        Self { tables, depth }
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// The answer to [`Transaction::reserve`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Joined {
    /// The id is reserved with the caller's token, in a transaction of that isolation.
    Won(Isolation),
    /// Something stands there.
    Taken(Entry),
    /// Another transaction is about to say what stands there, and has not ended.
    Busy,
}

/// How far a transaction is kept apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see what was committed before the first: `REPEATABLE READ` and
    /// `SERIALIZABLE`. Any of them may fail because of another transaction, and only a run of the
    /// whole transaction helps.
    Snapshot,
}
