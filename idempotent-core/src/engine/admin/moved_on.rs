//! The error of an operator's step on a record that has changed since it was inspected.

use crate::error::{Error, ErrorKind};
use crate::model::RecordId;
use crate::store::{Entry, State};

pub(super) fn moved_on(id: &RecordId, now: Option<&Entry>) -> Error {
    let (kind, detail) = match now {
        Some(Entry { state: State::Reserved, .. }) => {
            (ErrorKind::InProgress, "another attempt has taken the key since it was inspected")
        }
        Some(_) => (ErrorKind::Indeterminate, "the record has changed since it was inspected"),
        None => (ErrorKind::Indeterminate, "the record has disappeared since it was inspected"),
    };
    Error::of(kind, id).detail(detail)
}
