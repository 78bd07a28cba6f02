//! Whether an entry is pending at all.

use redis::{Cmd, Value};

use super::group::Group;
use crate::consumer::SettleError;

/// Whether any consumer of the group has the entry and has not acknowledged it.
pub(super) async fn is_pending(group: &Group, id: &str) -> Result<bool, SettleError> {
    let mut ask = Cmd::new();
    ask.arg("XPENDING").arg(&group.stream).arg(&group.name).arg(id).arg(id).arg(1);
    let answer = group.commands.repeatable(&group.stream, &ask).await;
    let answer = answer.map_err(SettleError::new)?;
    Ok(!matches!(answer, Value::Array(entries) if entries.is_empty()))
}
