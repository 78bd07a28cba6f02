//! [`OuterCall`]: a call as the calls that its body makes see it, and [`Nesting`]: what it knows of
//! them.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::label_counters::LabelCounters;
use crate::engine::telemetry::Telemetry;
use crate::model::{RecordId, Token};

/// So many nested calls are remembered of a call that may have steps later.
const MAX_REMEMBERED: usize = 16;

/// A call whose body runs.
pub(in crate::engine) trait OuterCall: Send + Sync {
    fn id(&self) -> &RecordId;

    /// `None` if the body runs without a record.
    fn token(&self) -> Option<Token>;

    fn nesting(&self) -> &Nesting;

    fn is_in_transaction(&self) -> bool {
        false
    }

    /// For how long it is kept once it is interrupted, if another run may resume it as far as is known by now.
    fn resumable_for(&self) -> Option<Duration>;
}

/// The call whose body makes this call, and what became of the calls that this call's body makes.
#[derive(Default)]
pub(in crate::engine) struct Nesting {
    caller: Option<Arc<dyn OuterCall>>,
    pub(super) label_counters: LabelCounters,
    /// The HTTP status of the last nested call that was refused; 0 if none was.
    refused_status: AtomicU16,
    /// The operations of nested calls that were recorded before the first step, and for how long.
    recorded: Mutex<Vec<(String, Duration)>>,
}

impl Nesting {
    pub(in crate::engine) fn new(caller: Option<Arc<dyn OuterCall>>) -> Self {
        Self { caller, ..Self::default() }
    }

    /// Reports that this call, of that id, is recorded for so long, to those whose bodies make it: a run of theirs that
    /// resumes later makes it again.
    pub(super) fn report_recorded(&self, id: &RecordId, ttl: Duration) {
        let mut caller = self.caller.as_ref();
        while let Some(call) = caller {
            match call.resumable_for() {
                Some(kept_for) if ttl < kept_for => {
                    Telemetry::short_lived_nested(call.id(), id.operation(), ttl, kept_for);
                }
                Some(_) => {}
                None => call.nesting().remember(id.operation(), ttl),
            }
            caller = call.nesting().caller.as_ref();
        }
    }

    fn remember(&self, operation: &str, ttl: Duration) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.len() < MAX_REMEMBERED && !recorded.iter().any(|(known, _)| known == operation)
        {
            recorded.push((operation.to_owned(), ttl));
        }
    }

    /// Reports those that were recorded before it was known that this call, of that id, is kept for so long.
    pub(super) fn report_remembered(&self, id: &RecordId, kept_for: Duration) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        for (operation, ttl) in recorded.drain(..).filter(|(_, ttl)| *ttl < kept_for) {
            Telemetry::short_lived_nested(id, &operation, ttl, kept_for);
        }
    }

    pub(in crate::engine) fn set_refused(&self, status: u16) {
        self.refused_status.store(status, Ordering::Relaxed);
    }

    pub(in crate::engine) fn refused_status(&self) -> Option<u16> {
        match self.refused_status.load(Ordering::Relaxed) {
            0 => None,
            status => Some(status),
        }
    }
}

/// The call and its callers, from the inside out, until `wanted` is found.
pub(super) fn is_within(
    call: &dyn OuterCall,
    mut wanted: impl FnMut(&dyn OuterCall) -> bool,
) -> bool {
    let mut call = call;
    loop {
        if wanted(call) {
            return true;
        }
        match &call.nesting().caller {
            Some(caller) => call = &**caller,
            None => return false,
        }
    }
}
