//! The store under test: how the suite reaches it, and how its time passes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::RecordId;
use crate::store::Store;

/// A store under test. Each case gets its own subject.
///
/// The store need not be empty. The cases use unique ids, so all subjects may share one server.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use idempotent_core::Store;
/// use idempotent_core::testing::contract::{Lapsed, Subject};
///
/// struct OverTheWire {
///     store: Arc<dyn Store>,
/// }
///
/// #[idempotent_core::async_trait]
/// impl Subject for OverTheWire {
///     fn store(&self) -> Arc<dyn Store> {
///         self.store.clone()
///     }
///
///     /// The server's clock cannot be set, so the tests really wait.
///     async fn advance(&self, by: Duration) {
///         tokio::time::sleep(by).await;
///     }
///
///     fn lease(&self) -> Duration {
///         Duration::from_millis(400)
///     }
///
///     fn tolerance(&self) -> Duration {
///         Duration::from_millis(200)
///     }
///
///     fn lapsed(&self) -> Lapsed {
///         Lapsed::Forgotten
///     }
/// }
/// ```
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// Another handle to the same records, as another process would have it: a second connection for
    /// example. Racing cases use both. Default: the same handle.
    fn other_handle(&self) -> Arc<dyn Store> {
        self.store()
    }

    /// Lets time pass on the store's clock: advances a manual clock, or sleeps.
    async fn advance(&self, by: Duration);

    /// The lease that the cases use. All other times are multiples of it. Default: a minute, which suits
    /// a manual clock. Where time really passes, a few hundred milliseconds keep the suite fast, but a
    /// quarter of it should be enough for a few calls: a case that fails after it was held up for longer
    /// [runs again](super::Case::run) with more.
    fn lease(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// How far [`Entry::remaining`](crate::store::Entry::remaining) may be below the value that a case
    /// expects: the time that really passes during a few calls, plus the resolution of the store's
    /// clock. Default: zero, which suits a manual clock.
    fn tolerance(&self) -> Duration {
        Duration::ZERO
    }

    /// How long a call that should return soon may really take. Default: five seconds.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// What the store still knows of a lapsed reservation under *at least once*. Default:
    /// [`Lapsed::Kept`].
    fn lapsed(&self) -> Lapsed {
        Lapsed::Kept
    }

    /// Whether the store implements [`Store::abandon`]. Default: `true`. Without it, leases lapse in
    /// their time, and the cases check only that nothing else happens.
    fn abandons(&self) -> bool {
        true
    }

    /// Breaks the stored bytes of a record around the store, so that they are no record any more, and returns
    /// whether it did. Default: `false`, for stores that keep no bytes. The case about scans of such records
    /// then has nothing to check.
    async fn garble(&self, id: &RecordId) -> bool {
        let _ = id;
        false
    }

    /// A fresh store of this kind with room for this many reservations. Default: `None`, for stores
    /// without a limit. The case about full stores then has nothing to check.
    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        let _ = reservations;
        None
    }
}

/// What a store still knows of a lapsed reservation under *at least once*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// It exists as [`State::Lapsed`](crate::store::State::Lapsed) until its id is reserved again.
    Kept,
    /// It is gone.
    Forgotten,
    /// It may disappear at any time.
    Either,
}
