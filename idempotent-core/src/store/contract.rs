//! The [`Store`] trait: what an implementation must do, and what it may offer in addition.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::answer::{
    CompleteOutcome, CorrectOutcome, Entry, Page, RenewOutcome, ReserveOutcome, ScopeUse,
};
use super::due::DueCalls;
use super::error::StoreError;
use super::health::{StoreHealth, id_of_nothing};
use super::journal::Journal;
use super::local::LocalStore;
use super::observer::PurgeObserver;
use super::poll;
use super::request::{Abandon, Complete, Correct, Release, Renew, Reserve, Scan, Wait};
use crate::model::{RecordId, ScopeId};

/// Keeps records and moves them from state to state.
///
/// ```text
///             reserve                     complete
///   vacant ─────────────▶ reserved ─────────────────▶ completed ──ttl──▶ vacant
///      ▲                   │  │  ▲                       (immutable)
///      │     release       │  └──┘ renew
///      └───────────────────┘
///      ▲                   │ lease lapses, or the owner abandons it
///      └── at least once ──┴── at most once ──▶ indeterminate
/// ```
///
/// Each method is one atomic step. Any number of callers may act on one id at once, a caller may
/// repeat a request whose answer was lost, and a request may arrive long after it was sent. Leases
/// and expiries are judged by the store's clock, never by the caller's.
///
/// `idempotent_core::testing::contract_tests!` makes one named test of each rule for your store.
/// The example `custom_store` is a complete store in one file.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The answers that this store can give without waiting. Default: `None`, which suits a store
    /// that keeps everything on a server.
    fn local(&self) -> Option<&dyn LocalStore> {
        None
    }

    /// Whether the records are in this process's memory and nowhere else, so that nobody else can write
    /// them. An engine with a secret then gives them no MAC. A store that wraps another asks it. Any other
    /// store writes records as they are: one that it changed itself, to drop the result for instance, has
    /// lost its MAC and is refused. Default: `false`.
    fn is_in_process(&self) -> bool {
        false
    }

    /// The longest time that a [`reserve`](Self::reserve), [`complete`](Self::complete) or
    /// [`release`](Self::release) takes, and an [`abandon`](Self::abandon), a [`load`](Self::load), and a journal's
    /// [`resume`](super::Journal::resume) and [`suspend`](super::Journal::suspend) on behalf of a call, if the store itself
    /// enforces such a limit. The engine then sets no timer of its own, unless it needs an answer sooner. Steps have a
    /// [limit of their own](super::Journal::response_timeout). Default: `None`, no limit.
    fn response_timeout(&self) -> Option<Duration> {
        None
    }

    /// The server or the file, for people: `redis at 127.0.0.1:6379, database 0`. Never a password. It begins the
    /// texts of the store's [errors](StoreError::at). Default: `None`.
    fn server(&self) -> Option<&str> {
        None
    }

    /// Asks whether the store can serve calls, new ones included: a server that only answers reads cannot. It
    /// writes no record, and takes as long as any other call. [`Idempotency::check`](crate::Idempotency::check)
    /// asks it.
    ///
    /// Default: [loads](Self::load) a record that is not there.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached, or would refuse a new reservation.
    async fn check(&self) -> Result<StoreHealth, StoreError> {
        if let Some(id) = id_of_nothing() {
            self.load(&id).await?;
        }
        Ok(StoreHealth::new("load"))
    }

    /// Reserves a vacant id, or returns the record that has taken it.
    ///
    /// These also count as vacant: a reservation that lapsed under *at least once*, a completed
    /// record that has expired, and an indeterminate record whose retention has ended. Of any
    /// number of concurrent calls on a vacant id, exactly one wins. A call that finds its own token
    /// still reserved has won, and its lease is not extended.
    ///
    /// # Errors
    ///
    /// If the store fails, or has no room left: new reservations fail, so that no older record
    /// loses its guarantee.
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError>;

    /// Starts a reservation's lease again, if the id is still reserved with that token and the
    /// lease has not lapsed. Never touches a completed record.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError>;

    /// Completes a reserved or indeterminate record of that token with a result. If the id is
    /// vacant, [`Complete::if_vacant`] decides whether the result is recorded.
    ///
    /// A call that finds its own token completed answers [`CompleteOutcome::Recorded`] and changes
    /// nothing: completed is final. A reservation of that token that lapsed under *at least once*
    /// and is still stored counts as reserved; one of another token counts as vacant.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError>;

    /// Makes the id vacant if it is reserved with that token; and, if [`Release::indeterminate`]
    /// says so, if it is indeterminate with that token. Never touches a completed record.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError>;

    /// Replaces a reservation of that token by [`Abandon::record`], which says that its owner no
    /// longer works on it. If the request [ends the lease](Abandon::ends_lease), the lease lapses
    /// now; otherwise it goes on as it is. Callers of [`wait`](Self::wait) are woken either way.
    ///
    /// The new record's guarantee decides what the lapse means, and may be stricter than the
    /// reservation's own. A reservation that lapsed, and whose id nobody took, may be replaced too.
    /// Never touches a completed record. Default: does nothing, so the lease lapses in its time.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn abandon(&self, _request: &Abandon<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns once the reservation of that token may have ended, and after [`Wait::timeout`] at
    /// the latest. Returning too early is allowed; never returning is not.
    ///
    /// The default polls [`load`](Self::load) with growing pauses of 10 to 500 milliseconds.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        poll::until_ended(|| self.load(request.id), request).await
    }

    /// Returns the record of an id, without changing it.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError>;

    /// Removes the record of an id, whatever its state, and returns whether there was one.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError>;

    /// Replaces the completed record of an id, if it is [`Correct::seen`], byte by byte: for an operator who has
    /// [resolved](crate::Idempotency::resolve) a call to a wrong result. Whoever [observes
    /// purges](Self::observe_purges) is told, as of a purge.
    ///
    /// A call that finds its own record there answers [`CorrectOutcome::Corrected`]. Nothing else ever changes a
    /// completed record. Default: [`CorrectOutcome::Unsupported`].
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn correct(&self, _request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        Ok(CorrectOutcome::Unsupported)
    }

    /// Returns some of the store's records, starting at a cursor. A record that stays in place
    /// during the whole scan is returned at least once: whoever counts needs [`RecentIds`](super::RecentIds).
    ///
    /// What is there and is not a readable record hides no other: it is among the page's
    /// [`unreadable`](Page::unreadable), unless the scan is for other operations, or the store can tell
    /// that it is for other states.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError>;

    /// How many records the store has room for, if that is bounded by their number: a default
    /// [share per scope](crate::engine::ScopeShare) is at most a quarter of it. Default: `None`.
    fn max_records(&self) -> Option<u64> {
        None
    }

    /// Counts what a scope keeps in the store: the live records whose [id says](RecordId::scope) that they
    /// count for it. Once it has found `up_to` records it may stop. Default: `None`, the store does not count.
    ///
    /// An engine with a [share per scope](crate::engine::ScopeShare) asks in the background, and adds what its
    /// own calls have written since. How exact a share is follows from that:
    ///
    /// | store | what is counted |
    /// |---|---|
    /// | one that answers [locally](LocalStore::try_scope_use), as `MemoryStore` does | exactly, before every reservation; calls that begin at the same instant may all pass |
    /// | one that counts, as `PostgresStore` and `SqliteStore` do | exactly, as of a moment ago: one process alone never exceeds a share but by the calls that it has in flight, and each further process by an eighth of what the last count had left, and before its first count by 1/64 of the share |
    /// | any other, as `RedisStore` | an approximation: each process counts what its own calls write, and takes it that they come evenly over the ttl. Several processes may together exceed a share as many times, and a restart forgets |
    ///
    /// # Errors
    ///
    /// If the store fails. The engine then goes by what it knew.
    async fn scope_use(
        &self,
        _scope: &ScopeId,
        _up_to: u64,
    ) -> Result<Option<ScopeUse>, StoreError> {
        Ok(None)
    }

    /// The journals of steps, if the store keeps them. Default: `None`, and calls with steps are refused. A store that
    /// wraps another asks it.
    fn journal(&self) -> Option<&dyn Journal> {
        None
    }

    /// The index of calls that are to be resumed without their callers, if the store keeps it. Default: `None`, and
    /// calls with `resume` are refused. A store that wraps another asks it.
    fn due_calls(&self) -> Option<&dyn DueCalls> {
        None
    }

    /// What a [`Transaction`](super::Transaction) needs to find this store's records in its own
    /// database, in a type that the two agree on. Default: `None`; calls on such a store cannot run
    /// in their callers' transactions.
    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }

    /// Registers an observer, for as long as it lives, of every [`purge`](Self::purge) of this
    /// store's records, through any handle and in any process. Returns `false` if the store cannot
    /// report them.
    ///
    /// A store that returns `true` also calls [`purges_missed`](PurgeObserver::purges_missed)
    /// whenever the observer may have missed purges, including those before the store first
    /// listened. Default: `false`.
    fn observe_purges(&self, _observer: Weak<dyn PurgeObserver>) -> bool {
        false
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    fn local(&self) -> Option<&dyn LocalStore> {
        (**self).local()
    }

    fn is_in_process(&self) -> bool {
        (**self).is_in_process()
    }

    fn response_timeout(&self) -> Option<Duration> {
        (**self).response_timeout()
    }

    fn server(&self) -> Option<&str> {
        (**self).server()
    }

    async fn check(&self) -> Result<StoreHealth, StoreError> {
        (**self).check().await
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

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        (**self).abandon(request).await
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

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        (**self).correct(request).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        (**self).scan(request).await
    }

    fn max_records(&self) -> Option<u64> {
        (**self).max_records()
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        (**self).scope_use(scope, up_to).await
    }

    fn journal(&self) -> Option<&dyn Journal> {
        (**self).journal()
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        (**self).due_calls()
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        (**self).tables()
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        (**self).observe_purges(observer)
    }
}
