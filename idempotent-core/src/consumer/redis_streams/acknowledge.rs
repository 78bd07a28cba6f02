//! Acknowledging an entry, whoever has it.

use redis::Cmd;

use super::group::Group;
use crate::consumer::SettleError;

/// `XACK`. It does no harm however often it is sent, nor if the group is gone.
pub(super) async fn acknowledge(group: &Group, id: &str) -> Result<(), SettleError> {
    let mut acknowledge = Cmd::new();
    acknowledge.arg("XACK").arg(&group.stream).arg(&group.name).arg(id);
    let answer = group.commands.repeatable(&group.stream, &acknowledge).await;
    answer.map(drop).map_err(SettleError::new)
}
