//! Keeping an entry alive.

use super::group::Group;
use super::received::Entry;
use super::redeliver::{Held, redeliver_after};
use crate::consumer::SettleError;

/// Says that the message is still in hand, if it is: another consumer may have claimed it meanwhile, and must not lose it.
pub(super) async fn progress(group: &Group, entry: &Entry) -> Result<Held, SettleError> {
    redeliver_after(group, entry, group.min_idle).await
}
