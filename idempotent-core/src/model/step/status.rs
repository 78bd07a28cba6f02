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

#[cfg(test)]
mod tests {
    use super::super::layout::{LAYOUT, flag};
    use super::*;

    /// Whoever adds one changes them: `is_in_doubt.lua`, and `scan_unfinished.sql` of both databases. What they
    /// do not know they take for an entry of a later version, which is in doubt.
    #[test]
    fn the_stores_scans_for_doubts_know_every_layout_status_and_flag() {
        for code in 0..=u8::MAX {
            assert_eq!(status(code).is_some(), code <= 6 || code == 128, "{code}");
        }
        assert_eq!((LAYOUT, flag::KNOWN), (1, 15));
    }
}
