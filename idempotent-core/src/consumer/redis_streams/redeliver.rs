//! Keeping an entry from others for a while.

use std::time::Duration;

use redis::Value;

use super::group::{Group, millis};
use super::received::Entry;
use crate::consumer::SettleError;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is claimed after that time.
    Yes,
    /// It is another consumer's by now, or was delivered again, or is settled, and nothing was changed.
    NotOurs,
    /// Its message was trimmed away, so it is never delivered again.
    Trimmed,
}

/// Lets others claim an entry after this long, if it is still this source's: it is made to have been idle for the rest
/// of the time after which entries are claimed.
pub(super) async fn redeliver_after(
    group: &Group,
    entry: &Entry,
    after: Duration,
) -> Result<Held, SettleError> {
    let (after, min_idle) = (millis(after).to_string(), group.min_idle_millis());
    let delivery = entry.deliveries.to_string();
    let arguments = [
        group.name.as_bytes(),
        group.member.as_bytes(),
        entry.id.as_bytes(),
        after.as_bytes(),
        min_idle.as_bytes(),
        delivery.as_bytes(),
    ];
    let keys = [group.stream.as_str(), group.delayed.as_str()];
    let answer = group.commands.run(&group.scripts.hold, &keys, &arguments).await;
    match answer.map_err(SettleError::new)? {
        Value::Int(1) => Ok(Held::Yes),
        Value::Int(0) => Ok(Held::NotOurs),
        _ => Ok(Held::Trimmed),
    }
}
