//! [`StepStatus`]: how far a step has come.

use crate::model::record::NotKept;
use crate::model::record::{KEPT, not_kept, not_kept_code};

/// How far a step has come, as its journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepStatus {
    /// A step that is *at most once* has begun, and nobody knows whether its effect happened.
    Begun,
    /// The step has run and has no result, or a step within it has one: it runs again.
    Tried,
    /// Its result is recorded.
    Recorded,
    /// It has run, and its result was not kept: it does not run again.
    NotKept(NotKept),
}

const BEGUN: u8 = 0;
const TRIED: u8 = 128;

pub(super) const fn code(status: StepStatus) -> u8 {
    match status {
        StepStatus::Begun => BEGUN,
        StepStatus::Tried => TRIED,
        StepStatus::Recorded => KEPT,
        StepStatus::NotKept(why) => not_kept_code(why),
    }
}

pub(super) fn status(code: u8) -> Option<StepStatus> {
    match code {
        BEGUN => Some(StepStatus::Begun),
        TRIED => Some(StepStatus::Tried),
        KEPT => Some(StepStatus::Recorded),
        code => not_kept(code).map(StepStatus::NotKept),
    }
}
