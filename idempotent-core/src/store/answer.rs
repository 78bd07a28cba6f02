//! The answers of a store.

use std::error::Error as StdError;
use std::time::Duration;

use super::request::Cursor;
use super::state::State;
use crate::model::{MalformedRecord, Record, RecordId};

/// A record in a store, and its state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// The record's state, by the store's clock.
    pub state: State,
    /// The time until the lease lapses (reserved) or the id becomes vacant (completed,
    /// indeterminate): exact, or `None`.
    pub remaining: Option<Duration>,
}

impl Entry {
    /// Creates an entry.
    #[must_use]
    pub const fn new(record: Record, state: State, remaining: Option<Duration>) -> Self {
        Self { record, state, remaining }
    }
}

/// The answer to [`Store::reserve`](super::Store::reserve).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReserveOutcome {
    /// The id is reserved with the request's token.
    Won,
    /// The id is taken: reserved with another token, completed, or indeterminate.
    Taken(Entry),
}

/// The answer to [`Store::renew`](super::Store::renew).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewOutcome {
    /// The lease has started again.
    Renewed,
    /// The store has no reservation with this token that could be renewed.
    Lost,
}

/// The answer to [`Store::complete`](super::Store::complete).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CompleteOutcome {
    /// The record with the request's token is completed.
    Recorded,
    /// Another attempt's record has the id. It was not changed.
    Superseded(Entry),
    /// The id is vacant, and the request said [`IfVacant::Refuse`](super::IfVacant::Refuse).
    Gone,
}

/// The answer to [`Store::correct`](super::Store::correct).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorrectOutcome {
    /// The new record is completed.
    Corrected,
    /// Another record is there, or none. It was not changed.
    Changed,
    /// The store cannot correct records.
    Unsupported,
}

/// What a scope keeps in a store: the answer to [`Store::scope_use`](super::Store::scope_use).
///
/// ```
/// use idempotent_core::store::ScopeUse;
///
/// let empty = ScopeUse::default();
/// assert_eq!((empty.records, empty.bytes, empty.indeterminate), (0, 0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeUse {
    /// The live records: those that are reserved, completed within their ttl, or indeterminate within
    /// their retention.
    pub records: u64,
    /// The bytes of these records, as [`Record::as_bytes`] has them.
    pub bytes: u64,
    /// Those of the records that are indeterminate.
    pub indeterminate: u64,
}

/// One page of a store's records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The records.
    pub entries: Vec<(RecordId, Entry)>,
    /// What was found beside them and is not a readable record.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page.
    #[must_use]
    pub const fn new(entries: Vec<(RecordId, Entry)>, next: Option<Cursor>) -> Self {
        Self { entries, unreadable: Vec::new(), next }
    }

    /// Adds what was found and is not a readable record.
    #[must_use]
    pub fn with_unreadable(mut self, unreadable: Vec<Unreadable>) -> Self {
        self.unreadable = unreadable;
        self
    }
}

/// Something that a scan found in the place of a record and cannot read, for example because somebody else wrote
/// over it or the disk failed.
///
/// Calls with its key are refused until it is removed: [`purge`](super::Store::purge) removes it by its id, and
/// the next call then runs its body, even if the effect has already happened. Its bytes are not shown, since they
/// may be a payload.
///
/// ```
/// use idempotent_core::store::Unreadable;
///
/// let found = Unreadable::new(None, "row 7", "the id has 31 bytes");
/// assert_eq!(found.key, "row 7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The record's id, as far as the store can tell it without the record. The operation is `unreadable` if its
    /// name cannot be told either; a purge needs only the hash. `None` if not even that is left: then remove it
    /// by its [`key`](Self::key), with the database's own tools.
    pub id: Option<RecordId>,
    /// How the store itself calls it: the key in Redis, the id in hexadecimal digits in a database.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
    /// Whether it seems to be a record that a newer version wrote. Whoever removes that removes what others can read, calls in
    /// doubt among it.
    pub is_newer: bool,
}

impl Unreadable {
    /// Describes what was found.
    #[must_use]
    pub fn new(id: Option<RecordId>, key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { id, key: key.into(), reason: reason.into(), is_newer: false }
    }

    /// Says what is wrong as an error does, and whether that is for being [newer](Self::is_newer).
    ///
    /// ```
    /// use idempotent_core::model::MalformedRecord;
    /// use idempotent_core::store::{StoreError, Unreadable};
    ///
    /// let error = StoreError::from(MalformedRecord::Newer);
    /// let found = Unreadable::new(None, "row 7", "").because_of(&error);
    /// assert!(found.is_newer && found.reason.ends_with("a newer version wrote it"));
    /// ```
    #[must_use]
    pub fn because_of(mut self, error: &(dyn StdError + 'static)) -> Self {
        self.reason = error.to_string();
        self.is_newer = MalformedRecord::among_causes(error) == Some(MalformedRecord::Newer);
        self
    }

    /// The same for a store that keeps ids as hashes, with the operation's name beside them.
    #[cfg(any(feature = "moka", feature = "postgres", feature = "sqlite"))]
    pub(crate) fn row(operation: Option<&str>, hash: &[u8], reason: impl Into<String>) -> Self {
        let id = <[u8; 32]>::try_from(hash).ok().and_then(|hash| {
            let named = operation.and_then(|name| RecordId::from_hash(name.to_owned(), hash).ok());
            named.or_else(|| RecordId::from_hash("unreadable", hash).ok())
        });
        let key = hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        tracing::warn!(key, operation, "a scan found something that is not a readable record");
        Self::new(id, key, reason)
    }
}
