//! What the tests on Redis share.

mod command_count;
mod replication;
mod retry;
mod slot_move;

pub(crate) use self::command_count::calls;
pub(crate) use self::replication::replicated;
pub(crate) use self::retry::{PATIENCE, in_the_end};
pub(crate) use self::slot_move::SlotMove;
