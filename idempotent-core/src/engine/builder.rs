//! Defaults and limits of an engine.

use std::sync::Arc;
use std::time::Duration;

use super::{Idempotency, Settings};
use crate::record::Secret;
use crate::store::Store;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

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
///
/// ```
/// use std::time::Duration;
/// use idempotent_core::{Idempotency, store::MemoryStore};
///
/// let engine = Idempotency::builder(MemoryStore::new())
///     .ttl(Duration::from_secs(3600))
///     .strict_names()
///     .build();
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    store: Arc<dyn Store>,
    settings: Settings,
}

impl Builder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let settings = Settings {
            ttl: DAY,
            lease: Duration::from_secs(30),
            max_run: Duration::from_secs(60 * 60),
            retention: DAY * 30,
            store_timeout: Duration::from_secs(5),
            max_key_bytes: 255,
            max_result_bytes: 1024 * 1024,
            secret: None,
            redact_keys: false,
            strict_names: false,
            fail_open: false,
        };
        Self { store, settings }
    }

    /// How long results are kept, for operations that do not say. Default: 24 hours.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// How long a reservation outlives a dead owner, for operations that do not say. Default: 30
    /// seconds.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease;
        self
    }

    /// After how long a running body's lease is no longer renewed, for operations that do not say.
    /// Default: 1 hour.
    pub fn max_run(mut self, max_run: Duration) -> Self {
        self.settings.max_run = max_run;
        self
    }

    /// How long an indeterminate record waits to be resolved. After that its key is vacant, so the
    /// end is logged. Default: 30 days.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// The longest that one call of the store may take; less where a lease ends sooner. Default: 5
    /// seconds.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.settings.store_timeout = timeout;
        self
    }

    /// The longest key, in bytes of its parts together, and the longest scope. A longer one is
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey). Default: 255, as draft-07 recommends to bound
    /// it and Stripe does.
    pub fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_key_bytes = bytes;
        self
    }

    /// The largest encoded result, in bytes. A larger one reaches its caller and leaves a
    /// tombstone: retries get [`ResultNotKept`](crate::ErrorKind::ResultNotKept). Default: 1 MiB.
    pub fn max_result_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_result_bytes = bytes;
        self
    }

    /// Keys the hashes of ids and fingerprints, so that a dump of the store cannot be searched for
    /// keys and payloads by trying them. Every process of the fleet needs the same secret, and
    /// another secret means other records. Default: none.
    pub fn secret(mut self, secret: [u8; 32]) -> Self {
        self.settings.secret = Some(Secret(secret));
        self
    }

    /// Leaves the key's text out of records. An operator can then not go from a stuck record to its
    /// order. Default: keys are kept.
    pub fn redact_keys(mut self) -> Self {
        self.settings.redact_keys = true;
        self
    }

    /// Refuses operations without a name of their own, and two operations of one name, as
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured). Default: the latter are logged once.
    pub fn strict_names(mut self) -> Self {
        self.settings.strict_names = true;
        self
    }

    /// Runs bodies without a record while the store cannot be asked: duplicates take effect twice
    /// then. Operations that are *at most once* are refused as
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured). Default: the engine fails closed.
    pub fn fail_open(mut self) -> Self {
        self.settings.fail_open = true;
        self
    }

    /// The engine.
    pub fn build(self) -> Idempotency {
        Idempotency::from_settings(self.store, self.settings)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
