//! What a store's author tells the suite: how to reach the store, and how its time passes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::store::Store;

/// A store under test. Each case gets a subject of its own.
///
/// The store need not be empty: the cases use ids that nobody else uses, so all subjects may share
/// one server.
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
/// #[async_trait::async_trait]
/// impl Subject for OverTheWire {
///     fn store(&self) -> Arc<dyn Store> {
///         self.store.clone()
///     }
///
///     /// The server's clock cannot be set, so time passes by itself.
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

    /// Another handle to the same records, as another process would have: a second connection.
    /// Racing cases use both. Default: the same handle.
    fn other_handle(&self) -> Arc<dyn Store> {
        self.store()
    }

    /// Lets time pass by the store's clock: steps a clock that tests control, or sleeps.
    async fn advance(&self, by: Duration);

    /// The lease that the cases use, the unit of everything they time. Default: a minute, right for
    /// a clock that is stepped. Where time really passes, a few hundred milliseconds keep the suite
    /// fast; a quarter of it must be enough for a few calls.
    fn lease(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// How far [`Entry::remaining`](crate::store::Entry::remaining) may be below what the case
    /// expects: the time that really passes during a few calls, and the grain of the store's clock.
    /// Default: none, right for a clock that is stepped.
    fn tolerance(&self) -> Duration {
        Duration::ZERO
    }

    /// How long a call, by the clock on the wall, may take that should return soon. Default: five
    /// seconds.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// What the store can still tell of a lapsed reservation under *at least once*. Default: it is
    /// [`Lapsed::Kept`].
    fn lapsed(&self) -> Lapsed {
        Lapsed::Kept
    }

    /// A fresh store of this kind with room for so many reservations. Default: the store is not
    /// bounded, and the case about full stores has nothing to check.
    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        let _ = reservations;
        None
    }
}

/// What a store can still tell of a lapsed reservation under *at least once*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// It is there, as [`State::Lapsed`](crate::store::State::Lapsed), until its id is taken.
    Kept,
    /// It is gone.
    Forgotten,
    /// It may go at any moment.
    Either,
}
