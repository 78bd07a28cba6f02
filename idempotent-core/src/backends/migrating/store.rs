//! [`Migrating`], and how it answers the engine.

use std::any::Any;
use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use super::limits::{NEW_STORE, OLD_STORE};
use super::mode::MigrationMode::{self, Both, New, Old};
use super::{both, look, new, wait};
use crate::model::{RecordId, ScopeId};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, DueCalls, Entry, Journal,
    LocalStore, Page, PurgeObserver, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Scan,
    ScopeUse, State, Store, StoreError, StoreHealth, Wait, WriteStep, WriteStepOutcome,
};
use async_trait::async_trait;

/// A store on its way from one store to another, while calls go on.
///
/// Each process reads its [mode](MigrationMode) from its settings, and the fleet changes it process by process: the old
/// store, then both, then the new one, which still reads the old one. Between the second change and the end, a
/// [`Mover`](super::Mover), or the command `idempotent move`, copies the results that only the old store has. No effect
/// happens twice and no result is lost on the way, also if a process, the mover or either server dies at any moment. The
/// guide's page [*Moving to another store*](crate::guide::moving_to_another_store) has the order of releases.
///
/// ```
/// use idempotent_core::Idempotency;
/// use idempotent_core::backends::{Migrating, MigrationMode};
/// # use idempotent_core::Store;
///
/// # fn engine(old: impl Store, new: impl Store, setting: &str)
/// # -> Result<Idempotency, idempotent_core::backends::UnknownMigrationMode> {
/// let mode: MigrationMode = setting.parse()?; // "old", "both", "new"
/// Ok(Idempotency::new(Migrating::new(old, new, mode)))
/// # }
/// ```
///
/// # Cost
///
/// | mode | a call that runs | a replay |
/// |---|---|---|
/// | `Old` | as the old store | as the old store |
/// | `Both` | both stores, one after the other | as the old store; as both for what only the new one has |
/// | `New` | as the new store, and a look into the old one | as the new store; and a look into the old one for what is not copied |
///
/// In `Both` and `New`, both stores must be there for a new call to run. While the store that is asked second is away, the
/// other one still answers replays: its failures do not open the engine's
/// [circuit](crate::IdempotencyBuilder#the-circuit).
///
/// # What is refused in `Both` and `New`
///
/// * Calls with [steps](crate::guide::calls_of_several_effects) or `resume`: [`journal`](Store::journal) and
///   [`due_calls`](Store::due_calls) are `None`. Leave such operations on an engine of their own with the old store, or
///   let them end first; the mover reports what has not ended.
/// * Calls within a transaction of the caller's: [`tables`](Store::tables) is `None`. Such an operation is moved with its
///   database, not with its store.
///
/// # Shares per scope
///
/// They are counted in the old store in `Old` and `Both`, and in the new one in `New`, where what is not copied yet does not
/// count.
///
/// # Purges and corrections
///
/// Through a `Migrating` in `Both` or `New` they reach both stores. Through one in `Old` they reach the old store alone, and
/// `Both` and `New` go on to replay what the new one has: while one in `Old` is left, make them with the command, in the old
/// store and then in the new one.
pub struct Migrating<From, To> {
    old: From,
    new: To,
    mode: MigrationMode,
    server: String,
}

impl<From: Store, To: Store> Migrating<From, To> {
    /// A store that moves from `old` to `new` and is in this mode.
    pub fn new(old: From, new: To, mode: MigrationMode) -> Self {
        let of = |server: Option<&str>, else_name: &str| server.unwrap_or(else_name).to_owned();
        let server = match mode {
            Old => of(old.server(), OLD_STORE),
            Both | New => {
                let (from, to) = (of(old.server(), OLD_STORE), of(new.server(), NEW_STORE));
                format!("moving from {from} to {to}")
            }
        };
        Self { old, new, mode, server }
    }

    /// The old store.
    #[must_use]
    pub const fn from(&self) -> &From {
        &self.old
    }

    /// The new store.
    #[must_use]
    pub const fn to(&self) -> &To {
        &self.new
    }

    /// The mode of this process.
    #[must_use]
    pub const fn mode(&self) -> MigrationMode {
        self.mode
    }
}

/// Results are answered from memory by the store that is asked first.
impl<From: Store, To: Store> LocalStore for Migrating<From, To> {
    fn completed(&self, id: &RecordId) -> Option<Entry> {
        match self.mode {
            Old | Both => self.old.local()?.completed(id),
            New => self.new.local()?.completed(id),
        }
    }

    fn try_reserve(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        if self.mode == Old { self.old.local()?.try_reserve(request) } else { None }
    }

    fn try_complete(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        if self.mode == Old { self.old.local()?.try_complete(request) } else { None }
    }

    fn try_write_step(
        &self,
        request: &WriteStep<'_>,
    ) -> Option<Result<WriteStepOutcome, StoreError>> {
        if self.mode == Old { self.old.local()?.try_write_step(request) } else { None }
    }

    fn try_scope_use(&self, scope: &ScopeId, up_to: u64) -> Option<ScopeUse> {
        match self.mode {
            Old | Both => self.old.local()?.try_scope_use(scope, up_to),
            New => self.new.local()?.try_scope_use(scope, up_to),
        }
    }
}

#[async_trait]
impl<From: Store, To: Store> Store for Migrating<From, To> {
    fn local(&self) -> Option<&dyn LocalStore> {
        Some(self)
    }

    fn is_in_process(&self) -> bool {
        self.old.is_in_process() && (self.mode == Old || self.new.is_in_process())
    }

    /// In `Both` and `New` a call is several calls, so the engine limits them.
    fn response_timeout(&self) -> Option<Duration> {
        if self.mode == Old { self.old.response_timeout() } else { None }
    }

    fn server(&self) -> Option<&str> {
        Some(&self.server)
    }

    async fn check(&self) -> Result<StoreHealth, StoreError> {
        let mut health = self.old.check().await?;
        if self.mode != Old {
            let other = self.new.check().await?;
            health.asked = format!("{}; {}", health.asked, other.asked).into();
            health = other.degraded.into_iter().fold(health, StoreHealth::degraded_by);
        }
        Ok(health)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        match self.mode {
            Old => self.old.reserve(request).await,
            Both => both::reserve(&self.old, &self.new, request).await,
            New => new::reserve(&self.old, &self.new, request).await,
        }
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        match self.mode {
            Old => self.old.renew(request).await,
            Both => both::renew(&self.old, &self.new, request).await,
            New => self.new.renew(request).await,
        }
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        match self.mode {
            Old => self.old.complete(request).await,
            Both => both::complete(&self.old, &self.new, request).await,
            New => new::complete(&self.old, &self.new, request).await,
        }
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        match self.mode {
            Old => self.old.release(request).await,
            Both => both::release(&self.old, &self.new, request).await,
            New => new::release(&self.old, &self.new, request).await,
        }
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        match self.mode {
            Old => self.old.abandon(request).await,
            Both => both::abandon(&self.old, &self.new, request).await,
            New => new::abandon(&self.old, &self.new, request).await,
        }
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        match self.mode {
            Old => self.old.wait(request).await,
            Both => wait::wait(&self.old, &self.new, request).await,
            New => wait::wait(&self.new, &self.old, request).await,
        }
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        match self.mode {
            Old => self.old.load(id).await,
            Both => look::load(&self.old, &self.new, id, false).await,
            New => look::load(&self.old, &self.new, id, true).await,
        }
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let purged = self.old.purge(id).await?;
        Ok(if self.mode == Old { purged } else { self.new.purge(id).await? || purged })
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        let old = self.old.correct(request).await?;
        if self.mode == Old || old == CorrectOutcome::Unsupported {
            return Ok(old);
        }
        Ok(match self.new.correct(request).await? {
            CorrectOutcome::Changed => match self.new.load(request.id).await? {
                // The result of another run, or another correction.
                Some(entry) if entry.state == State::Completed => CorrectOutcome::Changed,
                // There is no copy yet.
                _ => old,
            },
            new => new,
        })
    }

    /// In `Both` and `New` first the records of the old store and then those of the new one: a completed record that is in both
    /// is found twice. For each that has not ended, the other store is asked too.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        match self.mode {
            Old => self.old.scan(request).await,
            Both | New => look::scan(&self.old, &self.new, request).await,
        }
    }

    fn max_records(&self) -> Option<u64> {
        match self.mode {
            Old => self.old.max_records(),
            Both | New => {
                let limits = [self.old.max_records(), self.new.max_records()];
                limits.into_iter().flatten().min()
            }
        }
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        match self.mode {
            Old | Both => self.old.scope_use(scope, up_to).await,
            New => self.new.scope_use(scope, up_to).await,
        }
    }

    fn journal(&self) -> Option<&dyn Journal> {
        if self.mode == Old { self.old.journal() } else { None }
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        if self.mode == Old { self.old.due_calls() } else { None }
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        if self.mode == Old { self.old.tables() } else { None }
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        let hears_old = self.old.observe_purges(observer.clone());
        if self.mode == Old { hears_old } else { self.new.observe_purges(observer) && hears_old }
    }
}

impl<From: Clone, To: Clone> Clone for Migrating<From, To> {
    fn clone(&self) -> Self {
        Self {
            old: self.old.clone(),
            new: self.new.clone(),
            mode: self.mode,
            server: self.server.clone(),
        }
    }
}

impl<From, To> fmt::Debug for Migrating<From, To> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrating")
            .field("mode", &self.mode)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
