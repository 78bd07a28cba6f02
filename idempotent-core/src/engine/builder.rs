//! [`IdempotencyBuilder`]: builds an engine with its own defaults and limits.

use std::any;
use std::sync::Arc;
use std::time::Duration;

use super::authenticity::{Authenticity, AuthenticitySettings};
use super::circuit::CircuitSettings;
use super::idempotency::Idempotency;
use super::limits::CallLimits;
use super::outcome_observer::{CallEnd, Observers, OutcomeObserver};
use super::settings::Settings;
use super::trace_context::{SharedTraceContext, TraceContext};
use crate::model::Secret;
use crate::store::Store;

/// Builds an [`Idempotency`].
///
/// | setting | default |
/// |---|---|
/// | `ttl` | 24 hours |
/// | `lease` | 30 seconds |
/// | `max_run` | 1 hour |
/// | `retention` | 30 days |
/// | `store_timeout` | 5 seconds |
/// | `max_key_bytes` | 255 |
/// | `max_result_bytes` | 1 MiB |
/// | `verify_results` | in debug builds |
/// | [`max_steps`](#steps), `max_journal_bytes`, `step_patience` | 10,000, 16 MiB, 5 seconds |
/// | `max_input_bytes`, `resume_backoff` | 256 KiB, 1 second to 5 minutes |
/// | [circuit](#the-circuit) | opens after 5 calls in a row without an answer |
/// | [limits](#limits) of what runs, waits and is kept | none |
///
/// ```
/// use std::time::Duration;
/// use idempotent_core::{Idempotency, backends::MemoryStore};
///
/// let engine = Idempotency::builder(MemoryStore::new())
///     .ttl(Duration::from_secs(3600))
///     .strict_names()
///     .build();
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct IdempotencyBuilder {
    store: Arc<dyn Store>,
    settings: Settings,
    pub(super) authenticity: AuthenticitySettings,
    observers: Observers,
}

impl Idempotency {
    /// Creates an engine on a store, with the defaults of [`IdempotencyBuilder`].
    pub fn new(store: impl Store) -> Self {
        Self::builder(store).build()
    }

    /// Starts to build an engine on a store.
    pub fn builder(store: impl Store) -> IdempotencyBuilder {
        let store_type = any::type_name_of_val(&store);
        let settings = Settings { store_type, ..Settings::default() };
        let store = Arc::new(store);
        let authenticity = AuthenticitySettings::default();
        let observers = Observers::default();
        IdempotencyBuilder { store, settings, authenticity, observers }
    }
}

impl IdempotencyBuilder {
    /// How long results are kept, for operations that set no `ttl`. Default: 24 hours.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// How long a reservation outlives a dead owner, for operations that set no `lease`. It is cut
    /// to the operation's `ttl`. Default: 30 seconds.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// How long the lease of a running body is renewed, for operations that set no `max_run`.
    /// Default: 1 hour.
    pub fn max_run(mut self, max_run: Duration) -> Self {
        self.settings.max_run = max_run;
        self
    }

    /// How long an indeterminate record waits to be resolved. After that its key is vacant; most
    /// stores log this. Default: 30 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// The timeout of one store call, which is shorter if a lease ends sooner, or if the store has a shorter one
    /// of its own. Once the [circuit](#the-circuit) is open, new calls are refused at once. Default: 5 seconds.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.settings.store_timeout = timeout;
        self
    }

    /// The longest key, and the longest scope, in bytes of all its parts together. A longer key is refused
    /// with [`KeyTooLong`](crate::ErrorKind::KeyTooLong), a longer scope with
    /// [`InvalidScope`](crate::ErrorKind::InvalidScope). Default: 255, which is also Stripe's limit; draft-07
    /// recommends having one. It is the limit of an `http::IdempotencyLayer` too, which publishes it.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_key_bytes = bytes;
        self
    }

    /// The largest encoded result, in bytes. The caller still receives a larger one, but it leaves
    /// a tombstone: retries are refused with [`ResultNotKept`](crate::ErrorKind::ResultNotKept).
    /// Default: 1 MiB.
    pub fn max_result_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_result_bytes = bytes;
        self
    }

    /// Whether results are read back before they are recorded, and compared with what the body
    /// returned. A type whose values would come back different, or not at all, is then found by its
    /// first call instead of by a customer's retry: the call is refused with
    /// [`NotReplayable`](crate::ErrorKind::NotReplayable), which names the field.
    ///
    /// The body has run by then. Its record becomes a tombstone, so it does not run again: retries are
    /// refused with [`ResultNotKept`](crate::ErrorKind::ResultNotKept). In a transaction of the
    /// caller's the effects are undone instead, and no record is left.
    ///
    /// It costs a decoding, and a comparison, for each execution, and nothing for a replay. Default: on
    /// in debug builds, off in release builds. The [guide](crate::guide::results) says what it can
    /// find.
    ///
    /// ```
    /// use idempotent_core::{Idempotency, backends::MemoryStore};
    ///
    /// let staging = Idempotency::builder(MemoryStore::new()).verify_results(true).build();
    /// ```
    pub fn verify_results(mut self, verify: bool) -> Self {
        self.settings.verify_results = verify;
        self
    }

    /// Keys the hashes of ids and fingerprints with a secret, so that someone with a dump of the
    /// store cannot find keys and payloads by trying them; and gives records a MAC, so that someone who
    /// can write to the store cannot make or change one: such a record is refused with
    /// [`NotAuthentic`](crate::ErrorKind::NotAuthentic), and never runs a body. Records of a store in
    /// this process's memory have none.
    ///
    /// All processes that share records need the same secret. With another secret, existing records
    /// are not found. That of the MACs alone [can be changed](Self::authentication_secret). Default: no
    /// secret.
    pub fn secret(mut self, secret: [u8; 32]) -> Self {
        self.settings.secret = Some(Secret(secret));
        self
    }

    /// Leaves the key's text out of records. An operator then cannot tell which order a stuck
    /// record belongs to. Default: records contain it.
    pub fn redact_keys(mut self) -> Self {
        self.settings.redact_keys = true;
        self
    }

    /// Refuses operations without an explicit name, and operations that share a name, with
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured). Default: a shared name is logged once.
    pub fn strict_names(mut self) -> Self {
        self.settings.strict_names = true;
        self
    }

    /// Runs bodies without a record while the store is unavailable: duplicates then take effect
    /// twice. Operations that are *at most once* or *exactly once* are refused with
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured). Default: the engine fails closed, and
    /// calls are refused with [`Store`](crate::ErrorKind::Store).
    pub fn fail_open(mut self) -> Self {
        self.settings.fail_open = true;
        self
    }

    /// Calls `observer` at the end of each call: to count replays, refusals and times by the
    /// business's own terms. It runs in the caller's task, so it must neither block nor panic. A
    /// call that is dropped before its end is not reported. Default: none.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use idempotent_core::call::CallOutcome;
    /// use idempotent_core::{Error, Idempotency, Operation, backends::MemoryStore};
    ///
    /// static REPLAYS: AtomicU32 = AtomicU32::new(0);
    ///
    /// let engine = Idempotency::builder(MemoryStore::new())
    ///     .on_outcome(|call| {
    ///         if call.operation == "charge" && call.outcome == CallOutcome::Replayed {
    ///             REPLAYS.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     })
    ///     .build();
    /// for _ in 0..3 {
    ///     let call = Operation::new("charge").key("order 7").engine(&engine);
    ///     call.returning::<Result<u32, Error>>().run(|| async { Ok(1) }).await?;
    /// }
    /// assert_eq!(REPLAYS.load(Ordering::Relaxed), 2);
    /// # Ok(()) }
    /// ```
    pub fn on_outcome(mut self, observer: impl Fn(&CallEnd<'_>) + Send + Sync + 'static) -> Self {
        self.observers.outcomes = Some(OutcomeObserver(Arc::new(observer)));
        self
    }

    /// Connects the engine with distributed tracing: a record keeps the span of the trace that ran its call, as W3C's
    /// `traceparent`, and each replay is linked to it. A record is 57 bytes larger for it. Default: none.
    ///
    /// [`Inspection::trace_parent`](crate::engine::Inspection::trace_parent) leads an operator from a record to its
    /// trace. See [`TraceContext`] for an example.
    pub fn trace_context(mut self, traces: impl TraceContext) -> Self {
        self.observers.traces = Some(SharedTraceContext(Arc::new(traces)));
        self
    }

    pub(super) fn limit(mut self, set: impl FnOnce(&mut CallLimits)) -> Self {
        set(&mut self.settings.limits);
        self
    }

    pub(super) fn steps(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self
    }

    pub(super) fn circuit(mut self, set: impl FnOnce(&mut CircuitSettings)) -> Self {
        set(&mut self.settings.circuit);
        self
    }

    /// Builds the engine.
    pub fn build(self) -> Idempotency {
        let secret = self.settings.secret;
        let authenticity = Authenticity::new(&self.authenticity, secret, &*self.store);
        Idempotency::from_settings(self.store, self.settings, authenticity, self.observers)
    }
}

impl std::fmt::Debug for IdempotencyBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdempotencyBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
