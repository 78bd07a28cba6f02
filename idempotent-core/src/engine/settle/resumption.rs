//! [`Resumption`]: what a run that resumes a call knows of how it came to do so.

use std::fmt;
use std::sync::Arc;

use crate::engine::claim::Claim;
use crate::model::TraceParent;

/// How a run came to resume its call.
pub(in crate::engine) struct Resumption {
    /// Where the run before ran in a distributed trace.
    pub(in crate::engine) trace_parent: Option<TraceParent>,
    /// That of a recovery, if this run is an attempt of one. The run may go on in another task, and its body may make other
    /// calls, which are none.
    pub(in crate::engine) claim: Option<Arc<Claim>>,
}

impl fmt::Debug for Resumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Resumption");
        shown.field("trace_parent", &self.trace_parent).field("is_attempt", &self.claim.is_some());
        shown.finish()
    }
}
