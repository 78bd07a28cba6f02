//! [`Transaction`]: a transaction of the caller's, in which a call is reserved, run and recorded.
//!
//! Nothing here knows a database: each backend that keeps its records in one implements
//! [`Transaction`] for that database's connections.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::answer::Entry;
use super::error::StoreError;
use super::request::{Complete, Release, Reserve};
use super::running_call::RunningCall;

/// A transaction of the caller's, in the database where the engine's store keeps its records.
///
/// [`Call::run_in`](crate::Call::run_in) takes one. With the feature `postgres`, sqlx's
/// `Transaction<'_, Postgres>` implements this trait, and so does a `PgConnection` on which a
/// transaction has begun. With `sqlite`, `Transaction<'_, Sqlite>` and `SqliteConnection` do.
///
/// Other transactions see nothing of it before the caller commits, and a rollback undoes all of it.
/// An implementation must make it impossible to commit a reservation that is neither completed nor
/// released.
///
#[doc = include_str!("../../docs/transactions.md")]
#[diagnostic::on_unimplemented(
    message = "an idempotent call cannot run in `{Self}`",
    label = "not a supported transaction",
    note = "with feature `postgres`, pass a `&mut sqlx::Transaction<'_, sqlx::Postgres>` or a `&mut sqlx::PgConnection`",
    note = "with feature `sqlite`, pass a `&mut sqlx::Transaction<'_, sqlx::Sqlite>` or a `&mut sqlx::SqliteConnection`"
)]
// Below the notes that teach: notes are shown in this order.
#[cfg_attr(
    not(feature = "postgres"),
    diagnostic::on_unimplemented(
        note = "the feature `postgres` of `idempotent-core` is off: add `features = [\"postgres\"]`"
    )
)]
#[cfg_attr(
    not(feature = "sqlite"),
    diagnostic::on_unimplemented(
        note = "the feature `sqlite` of `idempotent-core` is off: add `features = [\"sqlite\"]`"
    )
)]
#[async_trait]
pub trait Transaction: Send {
    /// Reserves a vacant id and begins what [`undo`](Self::undo) undoes, or returns the record that
    /// has taken the id. If another transaction that has not ended holds the id, this waits up to
    /// `wait` for its end, or not at all without `wait`.
    ///
    /// # Errors
    ///
    /// [`Conflict`](super::StoreErrorKind::Conflict) if the whole transaction must run again,
    /// [`Mismatch`](super::StoreErrorKind::Mismatch) if this is not a transaction of the store's
    /// database, and another kind if the database fails.
    async fn reserve(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Reserve<'_>,
        wait: Option<Duration>,
    ) -> Result<TransactionReserveOutcome, StoreError>;

    /// Undoes everything since the reservation, but not the reservation itself.
    ///
    /// # Errors
    ///
    /// Those of [`reserve`](Self::reserve).
    async fn undo(&mut self, context: &TransactionContext<'_>) -> Result<(), StoreError>;

    /// Completes the reservation with a result.
    ///
    /// # Errors
    ///
    /// Those of [`reserve`](Self::reserve), and one if this transaction has no such reservation.
    async fn complete(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Complete<'_>,
    ) -> Result<(), StoreError>;

    /// Releases the reservation, so that no record is left.
    ///
    /// # Errors
    ///
    /// Those of [`reserve`](Self::reserve).
    async fn release(
        &mut self,
        context: &TransactionContext<'_>,
        request: &Release<'_>,
    ) -> Result<(), StoreError>;
}

/// The context of a call in its transaction.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct TransactionContext<'a> {
    /// What the engine's store returns from [`tables`](super::Store::tables).
    pub tables: &'a (dyn Any + Send + Sync),
    /// How deeply calls are nested, this one included. It names the call's savepoint.
    pub depth: u32,
    /// The call itself, if it is about to be reserved: lives until the call has ended or was dropped.
    pub running: Option<&'a RunningCall>,
    /// Whether [`undo`](Transaction::undo) may be called: if it is not, the whole transaction is rolled back when the body
    /// fails, and a savepoint would be a round trip for nothing.
    pub can_undo: bool,
}

impl<'a> TransactionContext<'a> {
    /// Creates a context.
    #[must_use]
    pub const fn new(tables: &'a (dyn Any + Send + Sync), depth: u32) -> Self {
        Self { tables, depth, running: None, can_undo: true }
    }

    /// Sets the call that is about to be reserved.
    #[must_use]
    pub const fn running(mut self, call: &'a RunningCall) -> Self {
        self.running = Some(call);
        self
    }

    /// Says that the whole transaction is rolled back when the body fails.
    #[must_use]
    pub const fn without_undo(mut self) -> Self {
        self.can_undo = false;
        self
    }
}

impl fmt::Debug for TransactionContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionContext").field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// The answer to [`Transaction::reserve`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TransactionReserveOutcome {
    /// The id is reserved with the caller's token, in a transaction with this isolation.
    Won(Isolation),
    /// The id is taken by this record.
    Taken(Entry),
    /// Another transaction, which has not ended, holds the id, so its record is not known yet.
    Contended,
}

/// The isolation of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see what was committed before the first: `REPEATABLE READ` and
    /// `SERIALIZABLE`. Any of them may fail because of another transaction; then the whole
    /// transaction must run again.
    Snapshot,
}
