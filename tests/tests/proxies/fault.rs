//! What may happen to the first run of an order.

use serde::{Deserialize, Serialize};

/// What happens to the first run of an order, and to no later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The handler takes so many milliseconds before its effect.
    Stall(u64),
    /// The app dies before the effect.
    KillBefore,
    /// The app dies after the effect, and so before its answer.
    KillAfter,
}

impl Fault {
    pub(crate) fn is_kill(self) -> bool {
        matches!(self, Fault::KillBefore | Fault::KillAfter)
    }
}
