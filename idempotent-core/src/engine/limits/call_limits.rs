//! [`CallLimits`]: how many calls may run and wait at once.

use super::scope_share::ScopeShare;

/// How many calls may run and wait at once. `None` is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallLimits {
    pub(crate) running: Option<usize>,
    pub(crate) running_per_scope: Option<usize>,
    pub(crate) waiting: Option<usize>,
    pub(crate) waiting_per_scope: Option<usize>,
    pub(crate) waiting_per_key: Option<usize>,
    /// Running calls that would run on without their callers.
    pub(crate) detached: Option<usize>,
    /// What one scope may keep in the store.
    pub(crate) share: Option<ScopeShare>,
}

impl CallLimits {
    /// Whether there is none.
    pub(crate) const fn is_none(&self) -> bool {
        self.running.is_none()
            && self.running_per_scope.is_none()
            && self.waiting.is_none()
            && self.waiting_per_scope.is_none()
            && self.waiting_per_key.is_none()
            && self.detached.is_none()
            && self.share.is_none()
    }

    /// Whether any of them is about scopes.
    pub(crate) const fn count_scopes(&self) -> bool {
        self.running_per_scope.is_some() || self.waiting_per_scope.is_some() || self.share.is_some()
    }
}
