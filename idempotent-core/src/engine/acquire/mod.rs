//! Acquiring a key: whether a call runs its body, replays a result or is refused.
//!
//! In the order of a call: its options (`request`), what follows from them (`prepare`, with the
//! engine's list of operation `names`; what of it does not depend on a key is `effective_policy`, and what of it is for
//! calls that are resumed without their callers is `input`), whether the call may run (`admit`), one attempt to reserve (`attempt`, with the order of checks
//! in `check`), how it takes a call that was interrupted (`resume`), how a duplicate of a running call waits (`wait_for_owner`), all of that as one
//! future (`acquisition`), and its result (`acquired`, with a body that runs without a record in `unrecorded`). `in_transaction` does the same in the
//! caller's transaction.

mod acquired;
mod acquisition;
mod admit;
mod attempt;
mod check;
mod effective_policy;
mod in_transaction;
mod input;
mod names;
mod prepare;
mod request;
mod resume;
mod unrecorded;
mod wait_for_owner;

pub(crate) use self::acquired::{Acquired, CompletedRecord};
pub(crate) use self::acquisition::Acquisition;
pub(crate) use self::in_transaction::acquire_in_transaction;
pub(super) use self::input::without_index;
pub(super) use self::names::OperationNames;
pub(super) use self::prepare::fingerprint_of;
pub(crate) use self::request::Request;
pub(crate) use self::unrecorded::UnrecordedRun;
