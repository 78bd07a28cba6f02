//! How many keys a running call has derived for each label.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The numbers of [`CurrentCall::derive_next`](super::CurrentCall::derive_next). Each run of a call
/// starts again from 0.
#[derive(Default)]
pub(super) struct LabelCounters(Mutex<Option<BTreeMap<String, u32>>>);

impl LabelCounters {
    /// The next number of a label, from 0.
    pub(super) fn next(&self, label: &str) -> u32 {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = counters.get_or_insert_default();
        match counters.get_mut(label) {
            Some(count) => {
                *count = count.saturating_add(1);
                *count
            }
            None => {
                counters.insert(label.to_owned(), 0);
                0
            }
        }
    }
}
