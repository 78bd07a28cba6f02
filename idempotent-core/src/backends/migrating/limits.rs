//! How long one of the two stores is waited for, where the other one can do without it.
//!
//! Each store has a limit of its own for its answers, and the engine has one for both together. Without these, a store that
//! does not answer would use up the engine's, and the other one would not be asked.

use std::time::Duration;

/// The share of a lease that a renewal, a release or an abandonment may wait for the store that does not decide.
const RENEWAL_SHARE: u32 = 12;
const LONGEST_RENEWAL: Duration = Duration::from_secs(1);

/// The share of a lease that a result may wait for the old store, before it is written to the new one.
const RESULT_SHARE: u32 = 6;
const LONGEST_RESULT: Duration = Duration::from_secs(2);

const SHORTEST: Duration = Duration::from_millis(1);

/// For the store that does not decide.
pub(super) fn renewal_limit(lease: Duration) -> Duration {
    (lease / RENEWAL_SHARE).clamp(SHORTEST, LONGEST_RENEWAL)
}

/// For the old store, at the end of a call.
pub(super) fn result_limit(lease: Duration) -> Duration {
    (lease / RESULT_SHARE).clamp(SHORTEST, LONGEST_RESULT)
}
