//! Trying the contract on a store with a flaw. What each flaw fails is listed in `flaws_found`, and in
//! `journal_flaws_found` and `scope_flaws_found`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::model::RecordId;
use idempotent_core::testing::contract::{self, Subject};
use tokio::task::JoinSet;

use super::broken_stores::{BrokenStore, Flaw};
use super::reference_store::ReferenceStore;

#[async_trait::async_trait]
impl Subject for BrokenStore {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn other_handle(&self) -> Arc<dyn Store> {
        match self.flaw {
            Flaw::HandlesShareNothing => Arc::new(self.store.elsewhere()),
            _ => self.store(),
        }
    }

    async fn advance(&self, by: Duration) {
        self.store.advance(by);
    }

    /// Waits that never end are what some cases are for. Others end late on a loaded machine, on which all cases run at once.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        let store = self.store.with_room(reservations);
        Some(Arc::new(Self::new(self.flaw, store)))
    }

    async fn garble(&self, id: &RecordId) -> bool {
        self.store.garble(id);
        true
    }
}

/// The names of the cases that a store with this flaw does not pass.
pub(crate) async fn failures(flaw: Flaw) -> BTreeSet<&'static str> {
    let mut tries = JoinSet::new();
    for case in contract::cases() {
        tries.spawn(async move {
            let subject = BrokenStore::new(flaw, ReferenceStore::default());
            let passed = tokio::spawn(async move { case.run(subject).await }).await;
            passed.is_err().then_some(case.name())
        });
    }
    tries.join_all().await.into_iter().flatten().collect()
}

/// Makes a test of each flaw that it fails exactly the cases that are named.
macro_rules! fails {
    ($($name:ident: $flaw:ident fails [$($case:ident)*])*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let expected = std::collections::BTreeSet::from([$(stringify!($case)),*]);
            assert_eq!(failures(Flaw::$flaw).await, expected);
        }
    )*

    /// Every case that some flaw fails.
    pub(crate) const CASES: &[&str] = &[$($(stringify!($case)),*),*];
    };
}

pub(crate) use fails;
