//! [`LocalStore`]: what a store can answer without waiting.

use super::answer::{CompleteOutcome, Entry, ReserveOutcome, ScopeUse};
use super::error::StoreError;
use super::journal_answer::WriteStepOutcome;
use super::journal_request::WriteStep;
use super::request::{Complete, Reserve};
use crate::model::{RecordId, ScopeId};

/// The answers that a store can give at once, from this process's memory. A replay then costs no
/// future, no timer and no reservation.
///
/// A [`Store`](super::Store) with such answers returns itself from [`local`](super::Store::local).
/// Each method may return `None`; the engine then calls the store's own, asynchronous method.
///
/// ```
/// use std::collections::HashMap;
///
/// use idempotent_core::model::{Record, RecordId};
/// use idempotent_core::store::{Entry, LocalStore, State};
///
/// /// Completed records that were copied into this process.
/// struct Copies(HashMap<RecordId, Record>);
///
/// impl LocalStore for Copies {
///     fn completed(&self, id: &RecordId) -> Option<Entry> {
///         let record = self.0.get(id)?.clone();
///         Some(Entry::new(record, State::Completed, None))
///     }
/// }
/// ```
pub trait LocalStore: Send + Sync {
    /// Returns the completed record of an id, if there is one that may be replayed now.
    fn completed(&self, id: &RecordId) -> Option<Entry>;

    /// Like [`Store::reserve`](super::Store::reserve), without waiting. Default: `None`.
    fn try_reserve(&self, _request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        None
    }

    /// Like [`Store::complete`](super::Store::complete), without waiting. Default: `None`.
    fn try_complete(&self, _request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        None
    }

    /// Like [`Journal::write_step`](super::Journal::write_step), without waiting. Default: `None`.
    fn try_write_step(
        &self,
        _request: &WriteStep<'_>,
    ) -> Option<Result<WriteStepOutcome, StoreError>> {
        None
    }

    /// Like [`Store::scope_use`](super::Store::scope_use), without waiting. It is asked before every
    /// reservation of a scope with a share, so it must be cheap. Default: `None`.
    fn try_scope_use(&self, _scope: &ScopeId, _up_to: u64) -> Option<ScopeUse> {
        None
    }
}
