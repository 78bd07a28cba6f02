//! Reconciling: asking other systems what became of calls whose outcome nobody knows, and resolving those.
//!
//! `reconciler` is the job with its options, `pass` one look at all such calls, and `known` what it remembers between
//! two of them. `doubtful` is what a question is about, `finding` the answer, and `report` what a pass did.

mod doubtful;
mod finding;
mod known;
mod pass;
mod reconciler;
mod report;

pub use self::doubtful::Doubtful;
pub use self::finding::Finding;
pub use self::reconciler::Reconciler;
pub use self::report::Reconciliation;
