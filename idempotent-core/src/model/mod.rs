//! The vocabulary of the whole crate: operations, keys, guarantees, and the records that stores keep.
//!
//! These are plain values: nothing here runs a call or knows that stores exist. `operation` is the
//! policy of an idempotent function, with its `guarantee`. `key` identifies a call, and `record` is
//! what a store keeps of it, and `step` of its steps. `disposition` is what happens to a key when its call ends,
//! `call_outcome` how the call ended, and `trace_parent` in which span of a distributed trace it ran. `uuid_text`
//! writes UUIDs.

mod call_outcome;
mod disposition;
mod guarantee;
mod key;
mod operation;
mod record;
mod step;
mod trace_parent;
pub(crate) mod uuid_text;

pub use self::call_outcome::CallOutcome;
pub use self::disposition::Disposition;
pub use self::guarantee::Guarantee;
pub(crate) use self::key::KeyProblem;
pub use self::key::{AnyKey, Key, KeyParts};
#[doc(hidden)]
pub use self::key::{Exact, Float};
pub use self::operation::Operation;
pub use self::record::{
    DerivedKey, Envelope, Fingerprint, InvalidRecordId, MalformedRecord, NotKept, Outcome,
    OwnerState, Record, RecordId, ResultTypes, ScopeId, Token,
};
pub(crate) use self::record::{IdHasher, Mac, MacKey, RecordBytes, Runs, Secret, name_fault};
pub(crate) use self::step::StepHead;
pub use self::step::{StepEntry, StepId, StepStatus};
pub use self::trace_parent::{InvalidTraceParent, TraceParent};
