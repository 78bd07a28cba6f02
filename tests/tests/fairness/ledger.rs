//! What took effect, and how often: kept beside the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// How often the body of each tenant's key ran.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<HashMap<(String, String), u32>>>);

impl Ledger {
    pub(crate) fn note(&self, tenant: &str, key: &str) {
        let mut effects = self.0.lock().unwrap();
        *effects.entry((tenant.to_owned(), key.to_owned())).or_default() += 1;
    }

    /// Whose bodies ran twice.
    pub(crate) fn twice(&self) -> Vec<(String, String)> {
        let effects = self.0.lock().unwrap();
        effects.iter().filter(|(_, runs)| **runs > 1).map(|(whose, _)| whose.clone()).collect()
    }

    /// How many of a tenant's keys took effect.
    pub(crate) fn keys_of(&self, tenant: &str) -> usize {
        self.0.lock().unwrap().keys().filter(|(whose, _)| whose == tenant).count()
    }
}
