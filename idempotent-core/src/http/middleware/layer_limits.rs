//! [`LayerLimits`]: the limits of a layer, and their defaults.

use crate::engine::{CallLimits, ScopeShare};

/// How many guarded requests may be in flight at once by default.
const MAX_IN_FLIGHT: usize = 4096;
/// How many requests may wait at once by default. Each keeps its body in memory.
const MAX_WAITING: usize = 1024;
/// Far more than clients retry at once.
const MAX_WAITING_PER_KEY: usize = 128;
/// Unless it is set, one scope may have one part in so many of what all have.
const SCOPE_PART: usize = 4;

/// The limits of a layer. What is not set per scope follows from the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerLimits {
    pub(super) in_flight: usize,
    pub(super) in_flight_per_scope: Option<usize>,
    pub(super) waiting: usize,
    pub(super) waiting_per_scope: Option<usize>,
    pub(super) waiting_per_key: usize,
    pub(super) share: Option<ScopeShare>,
}

impl Default for LayerLimits {
    fn default() -> Self {
        Self {
            in_flight: MAX_IN_FLIGHT,
            in_flight_per_scope: None,
            waiting: MAX_WAITING,
            waiting_per_scope: None,
            waiting_per_key: MAX_WAITING_PER_KEY,
            share: Some(ScopeShare::new()),
        }
    }
}

impl LayerLimits {
    /// How many requests of one scope may be read, and as many may run.
    pub(super) fn in_flight_of_a_scope(&self) -> usize {
        self.in_flight_per_scope.unwrap_or(part(self.in_flight))
    }

    pub(super) fn call_limits(&self) -> CallLimits {
        CallLimits {
            running: Some(self.in_flight),
            running_per_scope: Some(self.in_flight_of_a_scope()),
            waiting: Some(self.waiting),
            waiting_per_scope: Some(self.waiting_per_scope.unwrap_or(part(self.waiting))),
            waiting_per_key: Some(self.waiting_per_key),
            detached: None,
            share: self.share,
        }
    }
}

fn part(whole: usize) -> usize {
    whole.div_ceil(SCOPE_PART)
}
