//! [`Charge`]: a call that is to be charged to its scope, and what comes of it.

use std::time::Duration;

use super::scope_share::ScopeShare;
use crate::model::{Guarantee, ScopeId};

/// A call that is to be charged to its scope.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Charge {
    pub(in crate::engine) scope: ScopeId,
    pub(in crate::engine) share: ScopeShare,
    /// How many records the share has in this store.
    pub(in crate::engine) max_records: u64,
    pub(in crate::engine) guarantee: Guarantee,
    pub(in crate::engine) ttl: Duration,
    pub(in crate::engine) retention: Duration,
}

/// Whether a call may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Charged {
    /// Why it may not, if it may not.
    pub(in crate::engine) refused: Option<&'static str>,
    /// Whether the store is to be asked now. Nobody else is told so before it has answered.
    pub(in crate::engine) ask: bool,
}
