//! The [`Store`] trait: what keeps records, and the questions it is asked.
//!
//! A store knows ids, tokens, deadlines and opaque [`Record`](crate::record::Record)s. It knows nothing of results, keys
//! or the engine. What its answers must hold under concurrency, repeated calls and lapses is
//! checked by the contract suite of `idempotent_core::testing`.

mod answer;
mod clock;
mod error;
#[cfg(feature = "moka")]
mod hasher;
#[cfg(feature = "moka")]
mod memory;
#[cfg(feature = "moka")]
mod near;
mod observe;
mod poll;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod request;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod wake;

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

pub use self::answer::{CompleteOutcome, Entry, Page, RenewOutcome, ReserveOutcome, State};
pub use self::clock::{Clock, Sleep, TokioClock};
pub use self::error::{StoreError, StoreErrorKind};
#[cfg(feature = "moka")]
#[cfg_attr(docsrs, doc(cfg(feature = "moka")))]
pub use self::memory::{MemoryStore, MemoryStoreBuilder};
#[cfg(feature = "moka")]
#[cfg_attr(docsrs, doc(cfg(feature = "moka")))]
pub use self::near::{NearCache, NearCacheBuilder};
pub use self::observe::Observer;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use self::postgres::{
    PostgresStore, PostgresStoreBuilder, RetryTransaction, retry_transaction,
};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::redis::{RedisConnection, RedisStore, RedisStoreBuilder};
pub(crate) use self::request::Written;
pub use self::request::{Complete, Cursor, Release, Renew, Reserve, Scan, Vacant, Wait};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
pub use self::sql::is_conflict;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::sqlite::{SqliteStore, SqliteStoreBuilder};
pub use self::transaction::{Isolation, Joined, Place, Transaction};
use crate::record::RecordId;

/// What keeps records and moves them from state to state.
///
/// ```text
///             reserve                     complete
///   vacant ─────────────▶ reserved ─────────────────▶ completed ──ttl──▶ vacant
///      ▲                   │  │  ▲                       (immutable)
///      │     release       │  └──┘ renew
///      └───────────────────┘
///      ▲                   │ lease lapses
///      └── at least once ──┴── at most once ──▶ indeterminate
/// ```
///
/// Each method is one atomic step. Any number of callers may take steps on one id at once, a caller
/// may repeat a step whose answer it did not get, and a step may arrive long after it was sent.
/// Leases and expiries are judged by the store's clock, never by the caller's.
///
/// `idempotent_core::testing::contract_tests!` makes one named test of each rule for your store.
/// The example `custom_store` is a whole store in one file.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// A completed record that can be shown here and now, without waiting for anything.
    ///
    /// The engine asks this first, so that a replay from this process's own memory costs neither a
    /// future nor a reservation. The default shows none; a store that keeps everything elsewhere
    /// leaves it at that.
    fn at_hand(&self, _id: &RecordId) -> Option<Entry> {
        None
    }

    /// [`reserve`](Self::reserve), by a store that never waits: it saves the engine a future. The
    /// default is for all others.
    fn reserve_now(&self, _request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        None
    }

    /// [`complete`](Self::complete), by a store that never waits.
    fn complete_now(&self, _request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        None
    }

    /// How long a [`reserve`](Self::reserve), [`complete`](Self::complete) or
    /// [`release`](Self::release) takes at most, where the store itself sees to that: the engine
    /// then sets no timer of its own, unless it wants an answer sooner. The default makes no promise.
    fn answers_within(&self) -> Option<Duration> {
        None
    }

    /// Reserves a vacant id, or tells what stands there.
    ///
    /// Vacant are also a reservation that lapsed under *at least once*, a completed record whose
    /// time is over, and an indeterminate one whose retention is over. Of any number of concurrent
    /// calls on a vacant id exactly one wins. A call that finds its own token still reserved has
    /// won, without its lease being extended.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked, or has no room left: new reservations fail rather than cost
    /// an older record its guarantee.
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError>;

    /// Starts a reservation's lease anew, if it is still reserved with that token and has not
    /// lapsed. Never touches a completed record.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError>;

    /// Ends a reserved or indeterminate record of that token with a result, or records the result
    /// where the id is vacant, if [`Complete::vacant`] says so.
    ///
    /// A call that finds its own token completed answers [`CompleteOutcome::Recorded`] and changes
    /// nothing: completed is final. A reservation of that token that lapsed under *at least once*
    /// and is still there counts as its own; one of another token counts as vacant.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError>;

    /// Makes the id vacant, if it is reserved with that token; or indeterminate with that token, if
    /// [`Release::indeterminate`] says so. Never touches a completed record.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError>;

    /// Returns once the reservation of that token may have ended, and after
    /// [`Wait::timeout`] at the latest. Waking too early is allowed, never waking is not.
    ///
    /// The default polls [`load`](Self::load) with growing pauses of 10 to 500 milliseconds.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        poll::until_ended(|| self.load(request.id), request).await
    }

    /// What stands under an id, without changing it.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError>;

    /// Removes whatever stands under an id, and says whether there was something.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError>;

    /// Some of the store's records, from a cursor on. A record that stays put for the whole scan
    /// is seen at least once.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError>;

    /// What a [`Transaction`] needs to find this store's records in its own database, in a type that
    /// the two agree on. The default has no such place: calls on it cannot run within transactions
    /// of their callers.
    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Tells an observer, from now on and for as long as it lives, of every
    /// [`purge`](Self::purge) of this store's records, through whichever handle and process; or
    /// answers `false`, if the store cannot.
    ///
    /// A store that answers `true` tells the observer once more, by
    /// [`missed`](Observer::missed), whenever purges may have gone unheard, the time until it
    /// first listens included. The default cannot.
    fn observe(&self, _observer: Weak<dyn Observer>) -> bool {
        false
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    fn at_hand(&self, id: &RecordId) -> Option<Entry> {
        (**self).at_hand(id)
    }

    fn reserve_now(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        (**self).reserve_now(request)
    }

    fn complete_now(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        (**self).complete_now(request)
    }

    fn answers_within(&self) -> Option<Duration> {
        (**self).answers_within()
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        (**self).reserve(request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        (**self).renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        (**self).complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        (**self).release(request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        (**self).wait(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        (**self).load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        (**self).purge(id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        (**self).scan(request).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        (**self).tables()
    }

    fn observe(&self, observer: Weak<dyn Observer>) -> bool {
        (**self).observe(observer)
    }
}
