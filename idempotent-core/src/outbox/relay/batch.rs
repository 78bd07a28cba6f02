//! What one batch did.

use super::pass::Pass;

/// What one batch did.
pub(super) struct BatchOutcome {
    pub(super) pass: Pass,
    /// The key after which the next batch continues; `None` if this was the last one.
    pub(super) last: Option<String>,
}
