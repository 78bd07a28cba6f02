//! What the honest tenants saw.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;

/// The calls of some tenants.
pub(crate) struct Calls {
    began: u128,
    took: Vec<Duration>,
    pub(crate) failed: Vec<(StatusCode, StatusCode)>,
}

impl Default for Calls {
    fn default() -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Self { began, took: Vec::new(), failed: Vec::new() }
    }
}

impl Calls {
    /// Tells the keys of two runs apart.
    pub(crate) fn began(&self) -> u128 {
        self.began
    }

    pub(crate) fn note(&mut self, took: Duration, ended: Result<(), (StatusCode, StatusCode)>) {
        self.took.push(took);
        self.failed.extend(ended.err());
    }

    pub(crate) fn join(mut self, other: Self) -> Self {
        self.took.extend(other.took);
        self.failed.extend(other.failed);
        self
    }

    pub(crate) fn count(&self) -> usize {
        self.took.len()
    }

    pub(crate) fn p99(&self) -> Duration {
        let mut took = self.took.clone();
        took.sort();
        took.get(took.len() * 99 / 100).copied().unwrap_or_default()
    }
}
