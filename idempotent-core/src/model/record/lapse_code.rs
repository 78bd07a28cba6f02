//! The code of a guarantee in a record, which says what a lapse means.

use crate::model::guarantee::Guarantee;

/// The guarantee of a reservation that another run can resume, in place of *at least once*: what a release without
/// steps finds is not vacant, and not readable.
pub(super) const RESUMABLE: u8 = 3;

/// The same for one that nobody resumes before every step in doubt is settled. A store turns it into
/// [`RESUMABLE`], so this is the only byte of a record that changes without its writer.
pub(super) const WAITS_FOR_STEPS: u8 = 4;

/// The code of a guarantee in a record, which may have a journal or an input.
pub(super) const fn code_of(guarantee: Guarantee, may_resume: bool) -> u8 {
    match guarantee {
        Guarantee::AtLeastOnce if may_resume => RESUMABLE,
        Guarantee::AtMostOnce | Guarantee::ExactlyOnce if may_resume => 1,
        guarantee => guarantee_code(guarantee),
    }
}

/// The code of a guarantee in a record that has neither a journal nor an input.
pub(super) const fn guarantee_code(guarantee: Guarantee) -> u8 {
    match guarantee {
        Guarantee::AtLeastOnce => 0,
        Guarantee::AtMostOnce => 1,
        Guarantee::ExactlyOnce => 2,
    }
}
