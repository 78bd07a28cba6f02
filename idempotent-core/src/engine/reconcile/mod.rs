//! Reconciling: asking other systems what became of calls whose outcome nobody knows, and resolving those.
//!
//! `reconciler` is the job with its options, `pass` one look at all such calls, and `known` what it remembers between
//! two of them. `doubtful` and `doubtful_step` are what a question is about, told apart by `subject`; `finding` is the answer, and
//! `report` what a pass did.

mod doubtful;
mod doubtful_step;
mod finding;
mod known;
mod pass;
mod reconciler;
mod report;
mod subject;

pub use self::doubtful::Doubtful;
pub use self::doubtful_step::DoubtfulStep;
pub use self::finding::Finding;
pub use self::reconciler::Reconciler;
pub use self::report::Reconciliation;
