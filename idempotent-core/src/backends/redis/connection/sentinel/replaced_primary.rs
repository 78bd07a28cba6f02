//! The primary that was replaced last, which is not used for a while even if a sentinel still names
//! it.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sentinels learn of each other's failovers within two seconds, and demote the old primary after
/// eight. Later, a primary that was replaced may have become the primary again.
const AVOIDED_FOR: Duration = Duration::from_secs(15);

/// The address of the primary that was replaced last, and when that was.
#[derive(Default)]
pub(super) struct ReplacedPrimary(Mutex<Option<(String, Instant)>>);

impl ReplacedPrimary {
    /// Whether the server at this address was replaced a moment ago.
    pub(super) fn is(&self, address: &impl fmt::Display) -> bool {
        let replaced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        replaced
            .as_ref()
            .is_some_and(|(old, at)| *old == address.to_string() && at.elapsed() < AVOIDED_FOR)
    }

    pub(super) fn set(&self, address: String) {
        let mut replaced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *replaced = Some((address, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_primary_that_was_replaced_is_left() {
        let replaced = ReplacedPrimary::default();
        assert!(!replaced.is(&"10.0.0.1:6379"));
        replaced.set("10.0.0.1:6379".to_owned());
        assert!(replaced.is(&"10.0.0.1:6379"));
        assert!(!replaced.is(&"10.0.0.2:6379"));
    }
}
