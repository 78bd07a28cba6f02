//! The code of a guarantee in a record, which says what a lapse means.

use super::envelope::guarantee_code;
use crate::model::guarantee::Guarantee;

/// The guarantee of a reservation that another run can resume, in place of *at least once*: what a release without
/// steps finds is not vacant, and not readable.
pub(super) const RESUMABLE: u8 = 3;

/// The code of a guarantee in a record.
pub(super) const fn code_of(guarantee: Guarantee, has_journal: bool) -> u8 {
    match guarantee {
        Guarantee::AtLeastOnce if has_journal => RESUMABLE,
        Guarantee::AtMostOnce | Guarantee::ExactlyOnce if has_journal => 1,
        guarantee => guarantee_code(guarantee),
    }
}
