//! A real backend, held to the store contract.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use idempotent_core::Store;
use idempotent_core::model::RecordId;
use idempotent_core::testing::contract::{Lapsed, Subject};

/// Breaks the bytes of one record, around the store.
type Garble = Box<dyn Fn(RecordId) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Two handles to the same records of a real backend, as two processes have them. The backend's own
/// clock rules, so time is waited for: leases are short and tolerances wide.
pub struct TwoHandles {
    one: Arc<dyn Store>,
    other: Arc<dyn Store>,
    lapsed: Lapsed,
    garble: Option<Garble>,
    _kept: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for TwoHandles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwoHandles").field("lapsed", &self.lapsed).finish_non_exhaustive()
    }
}

impl TwoHandles {
    /// Opens both. `lapsed` is what the backend can still tell of a lapsed reservation.
    pub async fn open<S: Store + 'static>(lapsed: Lapsed, open: impl AsyncFn() -> S) -> Self {
        let (one, other) = (Arc::new(open().await), Arc::new(open().await));
        Self { one, other, lapsed, garble: None, _kept: None }
    }

    /// With a way to break the bytes of one record, around the store.
    #[must_use]
    pub fn garbled_by<F>(self, garble: impl Fn(RecordId) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { garble: Some(Box::new(move |id| Box::pin(garble(id)))), ..self }
    }

    /// Keeps something as long as the handles, such as the folder of their file.
    #[must_use]
    pub fn keep(self, kept: impl Any + Send + Sync) -> Self {
        Self { _kept: Some(Box::new(kept)), ..self }
    }
}

#[async_trait]
impl Subject for TwoHandles {
    fn store(&self) -> Arc<dyn Store> {
        self.one.clone()
    }

    fn other_handle(&self) -> Arc<dyn Store> {
        self.other.clone()
    }

    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn tolerance(&self) -> Duration {
        Duration::from_millis(400)
    }

    fn lapsed(&self) -> Lapsed {
        self.lapsed
    }

    async fn garble(&self, id: &RecordId) -> bool {
        let Some(garble) = &self.garble else { return false };
        garble(id.clone()).await;
        true
    }
}
