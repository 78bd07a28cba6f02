//! [`OuterCall`]: a call as the calls that its body makes see it, and [`Nesting`]: what it knows of
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::label_counters::LabelCounters;
use crate::model::{RecordId, Token};

/// A call whose body runs.
pub(in crate::engine) trait OuterCall: Send + Sync {
    fn id(&self) -> &RecordId;

    /// `None` if the body runs without a record.
    fn token(&self) -> Option<Token>;

    fn nesting(&self) -> &Nesting;
}

/// The call whose body makes this call, and what became of the calls that this call's body makes.
#[derive(Default)]
pub(in crate::engine) struct Nesting {
    caller: Option<Arc<dyn OuterCall>>,
    pub(super) label_counters: LabelCounters,
    /// The HTTP status of the last nested call that was refused; 0 if none was.
    refused_status: AtomicU16,
}

impl Nesting {
    pub(in crate::engine) fn new(caller: Option<Arc<dyn OuterCall>>) -> Self {
        Self { caller, ..Self::default() }
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
