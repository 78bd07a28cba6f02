//! The options of an engine that limit its calls.

use super::scope_share::ScopeShare;
use crate::engine::builder::IdempotencyBuilder;

/// # Limits
///
/// By default an engine has no limits, since most programs bound their concurrency elsewhere; an
/// `http::IdempotencyLayer` has limits of its own, and its requests are not counted here. Whoever exceeds a limit is
/// refused at once, before the body runs, with a retryable error:
/// [`Overloaded`](crate::ErrorKind::Overloaded) at a limit of the whole engine,
/// [`TooManyCalls`](crate::ErrorKind::TooManyCalls) at a limit of one scope or key, and
/// [`ScopeFull`](crate::ErrorKind::ScopeFull) at a scope's share of the store.
///
/// A call takes a seat before it asks the store and keeps it until its end is recorded, also when its caller
/// went away. A duplicate that waits gives its seat back and is counted as waiting. At a limit a call still gets what
/// needs no seat: it may wait for the call that has its key, or replay a result, as long as not too many wait. Calls in their callers' transactions are not counted: the number of
/// connections bounds them.
///
/// ```
/// use idempotent_core::engine::ScopeShare;
/// use idempotent_core::{Idempotency, backends::MemoryStore};
///
/// let engine = Idempotency::builder(MemoryStore::new())
///     .max_running(1000)
///     .max_running_per_scope(100)
///     .max_waiting_per_key(16)
///     .max_detached(500)
///     .scope_share(ScopeShare::new())
///     .build();
/// ```
impl IdempotencyBuilder {
    /// How many calls may run at once in this process. Default: no limit.
    pub fn max_running(self, calls: usize) -> Self {
        self.limit(|limits| limits.running = Some(calls))
    }

    /// How many calls of one scope may run at once in this process. Calls without a scope are not counted.
    /// Default: no limit.
    pub fn max_running_per_scope(self, calls: usize) -> Self {
        self.limit(|limits| limits.running_per_scope = Some(calls))
    }

    /// How many duplicates may wait at once in this process for the calls that run. Default: no limit.
    pub fn max_waiting(self, calls: usize) -> Self {
        self.limit(|limits| limits.waiting = Some(calls))
    }

    /// How many duplicates of one scope may wait at once in this process. Calls without a scope are not
    /// counted. Default: no limit.
    pub fn max_waiting_per_scope(self, calls: usize) -> Self {
        self.limit(|limits| limits.waiting_per_scope = Some(calls))
    }

    /// How many duplicates may wait at once in this process for the call of one key. Default: no limit.
    pub fn max_waiting_per_key(self, calls: usize) -> Self {
        self.limit(|limits| limits.waiting_per_key = Some(calls))
    }

    /// How many [detached](crate::Call::run_detached) calls may run at once in this process, whether or not
    /// their callers are still there. A server's limit of connections does not bound them, because they run on
    /// when their callers disconnect. Default: no limit.
    ///
    /// [`detached_bodies`](crate::Idempotency::detached_bodies) says how many run on without their callers.
    pub fn max_detached(self, calls: usize) -> Self {
        self.limit(|limits| limits.detached = Some(calls))
    }

    /// What one scope may keep in the store at once. Default: no limit.
    pub fn scope_share(self, share: ScopeShare) -> Self {
        self.limit(|limits| limits.share = Some(share))
    }
}
