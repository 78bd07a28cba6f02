//! A tenant of an engine, as one process has it.

use std::time::Duration;

use idempotent_core::engine::ScopeShare;
use idempotent_core::{ErrorKind, Idempotency, Operation, Store};

use crate::body::{Answer, Runs};
use crate::wait::until_within;

/// Calls of one tenant on an engine of its own, as a process has it.
#[derive(Clone, Debug)]
pub struct Tenant {
    engine: Idempotency,
    name: &'static str,
    runs: Runs,
}

impl Tenant {
    /// A tenant on a store, with this share of it.
    #[must_use]
    pub fn new(store: impl Store, share: ScopeShare, name: &'static str) -> Self {
        let engine = Idempotency::builder(store).scope_share(share).build();
        Self { engine, name, runs: Runs::new() }
    }

    /// Another tenant of the same process.
    #[must_use]
    pub fn other(&self, name: &'static str) -> Self {
        Self { name, ..self.clone() }
    }

    /// A call of an operation with a key.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub async fn call(&self, operation: Operation, key: &str) -> Answer {
        let call = operation.key(key).scope(self.name).engine(&self.engine);
        call.returning::<Answer>().run(|| async { Ok(self.runs.note()) }).await
    }

    /// How many bodies ran, of all tenants of this process.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.count()
    }

    /// Makes calls with keys of this prefix until one is refused because the share is used up.
    ///
    /// # Panics
    ///
    /// If a call is refused for another reason.
    pub async fn until_full(&self, operation: Operation, prefix: &str) {
        let mut number = 0;
        // A call of some stores waits for the disk twice.
        until_within(Duration::from_secs(60), async || {
            number += 1;
            let refused = self.call(operation, &format!("{prefix}-{number}")).await.err();
            let kind = refused.map(|refused| refused.kind());
            assert!(matches!(kind, None | Some(ErrorKind::ScopeFull)), "{kind:?}");
            kind.is_some()
        })
        .await;
    }
}
