//! The wrappers of `idempotent_core::testing` do nothing but what they are for: what their tests
//! share, and a store of theirs that keeps the contract.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::model::{Envelope, RecordId, Token};
use idempotent_core::store::{Complete, CompleteOutcome, Reserve, ReserveOutcome, StoreError};
use idempotent_core::testing::contract::Subject;
use idempotent_core::testing::{Fault, FaultyStore, ObservedStore, StoreMethod, When};

use super::reference_store::ReferenceStore;

pub(crate) const CALLS: [StoreMethod; 9] = [
    StoreMethod::Reserve,
    StoreMethod::Renew,
    StoreMethod::Complete,
    StoreMethod::Release,
    StoreMethod::Abandon,
    StoreMethod::Wait,
    StoreMethod::Load,
    StoreMethod::Purge,
    StoreMethod::Scan,
];

pub(crate) fn charge() -> RecordId {
    RecordId::of("charge", None, &Token::random().to_string()).expect("a key")
}

pub(crate) fn request(id: &RecordId) -> Reserve<'_> {
    Reserve::new(id, Envelope::new("charge"))
}

pub(crate) async fn reserve(
    store: &impl Store,
    id: &RecordId,
) -> Result<ReserveOutcome, StoreError> {
    store.reserve(&request(id)).await
}

pub(crate) async fn complete(
    store: &impl Store,
    first: &Reserve<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let (reservation, record) = (first.record(), first.record().completed(b"receipt"));
    let minute = Duration::from_secs(60);
    let request = Complete::new(first.id, reservation, &record, minute);
    store.complete(&request).await
}

/// A store whose every call happens twice, as a network may have it. A second purge finds nothing,
/// so that one call is left alone.
#[derive(Default)]
struct Twice(ReferenceStore);

#[async_trait::async_trait]
impl Subject for Twice {
    fn store(&self) -> Arc<dyn Store> {
        let store = ObservedStore::new(FaultyStore::new(self.0.clone()));
        for call in CALLS {
            if call != StoreMethod::Purge {
                store.inner().inject(call, When::Always, Fault::Repeat);
            }
        }
        Arc::new(store)
    }

    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }
}

idempotent_core::testing::contract_tests! { Twice::default() }
