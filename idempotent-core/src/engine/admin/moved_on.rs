//! The error of an operator's step on a record that has changed since it was inspected.

use super::inspect::Inspection;
use super::resolution::not_applied;
use crate::error::{Error, ErrorKind};
use crate::store::{Entry, State};

/// The error if the record is not, or no longer, one that can be resolved.
pub(super) fn moved_on(seen: &Inspection, now: Option<&Entry>) -> Error {
    let (kind, detail) = match now {
        Some(Entry { state: State::Reserved, .. }) => {
            (ErrorKind::InProgress, "another attempt has taken the key since it was inspected")
        }
        Some(now) if now.state == State::Completed && now.record == seen.entry.record => {
            let why = match seen.is_resolved() {
                true => "the record is completed; a resolution is replaced by `correct`",
                false => {
                    "the record is completed, and the result that its call has recorded is final"
                }
            };
            (ErrorKind::Indeterminate, why)
        }
        Some(_) => (ErrorKind::Indeterminate, "the record has changed since it was inspected"),
        None => (ErrorKind::Indeterminate, "the record has disappeared since it was inspected"),
    };
    not_applied(kind, &seen.id).detail(detail)
}
