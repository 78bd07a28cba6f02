//! What the tests call: steps with effects in a ledger, and failures on demand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::testing::{TestEngine, TestStore};
use idempotent_core::{Error, ErrorKind, Operation, current};

/// The effects that have happened, by their names, with the keys that they were sent with.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Ledger {
    /// An effect of the step or call in which this is called.
    pub(crate) fn note(&self, effect: &str) {
        let key = current().map(|call| call.derive("ledger").to_string()).unwrap_or_default();
        self.0.lock().unwrap().entry(effect.to_owned()).or_default().push(key);
    }

    /// How often an effect has happened.
    pub(crate) fn count(&self, effect: &str) -> usize {
        self.0.lock().unwrap().get(effect).map_or(0, Vec::len)
    }

    /// How often it has happened for somebody who honors the keys.
    pub(crate) fn distinct(&self, effect: &str) -> usize {
        let effects = self.0.lock().unwrap();
        let mut keys = effects.get(effect).cloned().unwrap_or_default();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    }
}

/// An engine, its ledger, and what is broken.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) test: TestEngine,
    pub(crate) ledger: Ledger,
}

pub(crate) const LEASE: Duration = Duration::from_secs(30);

impl Shop {
    pub(crate) fn new() -> Self {
        Self { test: idempotent_core::testing::engine(), ledger: Ledger::default() }
    }

    pub(crate) fn store(&self) -> &TestStore {
        self.test.store()
    }

    /// Lets the lease of whoever died lapse.
    pub(crate) fn let_lease_lapse(&self) {
        self.test.clock().advance(LEASE * 2);
    }

    /// A step with an effect of its name.
    pub(crate) async fn step(&self, name: &'static str) -> Result<u32, Error> {
        let step = Operation::new(name).step().returning::<Result<u32, Error>>();
        step.run(|| async {
            self.ledger.note(name);
            Ok(1)
        })
        .await
    }

    /// The same with a key.
    pub(crate) async fn keyed_step(&self, name: &'static str, key: u32) -> Result<u32, Error> {
        let step = Operation::new(name).step().key(&key).returning::<Result<u32, Error>>();
        step.run(|| async {
            self.ledger.note(&format!("{name}[{key}]"));
            Ok(key)
        })
        .await
    }

    /// Runs a call of this shop.
    pub(crate) async fn call<F, Fut>(&self, body: F) -> Result<u32, Error>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<u32, Error>>,
    {
        let call = Operation::new("checkout").lease(LEASE).key("order 7");
        call.engine(&self.test.engine()).returning::<Result<u32, Error>>().run(body).await
    }

    /// Runs a call whose body returns in the place of a crash: a release is suspended.
    pub(crate) async fn interrupted<F, Fut>(&self, body: F)
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<u32, Error>>,
    {
        let refused = self.call(body).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::MissingKey, "{refused}");
    }
}

/// An error of a body's own.
pub(crate) async fn failure() -> Error {
    let call = Operation::new("failure").key(&None::<u32>).returning::<Result<(), Error>>();
    call.run(|| async { Ok(()) }).await.unwrap_err()
}
